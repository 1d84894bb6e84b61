#pragma once

#include <sys/socket.h>

#include <cstddef>

namespace trotline::hook {

/** Where the sidecar is. */
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

/** Longest path of a Unix socket, bytes. */
extern const size_t kMaxPath;

/** False: no path of 1 to `kMaxPath` bytes. */
bool unixAddress(const char* path, Address& address);

/** Of `10.0.0.1:7412` and `[fd00::1]:7412`: numbers alone, since names would need a resolver. False: neither. */
bool networkAddress(const char* text, Address& address);

}  // namespace trotline::hook
