#pragma once

#include <cstddef>

namespace trotline {

/** Descriptors that go with one message. */
struct Passed {
  static constexpr size_t kMost = 2;
  int fds[kMost]{-1, -1};
  size_t count = 0;

  void add(int fd) { fds[count++] = fd; }
  void closeAll();
};

/** One message on a SOCK_SEQPACKET pair; the descriptors stay the caller's. 0, or an errno. */
int sendMessage(int socket, const void* message, size_t size, const Passed& passed);

/**
 * One message of exactly `size` bytes, with what was passed, close-on-exec. Waits up to `timeoutMs` (-1: for ever). 0, or an
 * errno: ETIMEDOUT; EPIPE when the other side is gone or says anything else.
 */
int receiveMessage(int socket, void* message, size_t size, Passed& passed, int timeoutMs);

}  // namespace trotline
