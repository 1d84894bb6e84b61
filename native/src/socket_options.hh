#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>

namespace trotline {

/** A failed system call. */
struct SystemError : std::runtime_error {
  SystemError(const char* call, int code);
  const char* syscall;
  int code;
};

/** Throws `SystemError` with the errno of now. */
[[noreturn]] void fail(const char* call);

/** A NETLINK_ROUTE socket in the caller's network namespace. */
int openSocket();

struct SocketState {
  uint32_t portId = 0;
  int receiveBufferBytes = 0;
  bool receiveBufferForced = false;
};

/** Sets the options of a new socket, or of one `handedIn`, binds it and joins the groups. */
SocketState prepareSocket(int fd, bool handedIn, int receiveBufferBytes);

struct SocketMemory {
  uint32_t queued = 0;
  uint32_t limit = 0;
  uint32_t drops = 0;
};

/** What the kernel holds and has dropped for the socket; a very old one does not tell. */
std::optional<SocketMemory> socketMemory(int fd);

/**
 * A receive buffer that surely takes the beginning of a dump, for as long as this lives. The kernel would acknowledge a dump
 * that finds it full with an error, drop that too, and count it among the lost notifications.
 */
class RoomForDump {
 public:
  RoomForDump(int fd, int receiveBufferBytes);
  ~RoomForDump();
  RoomForDump(const RoomForDump&) = delete;
  RoomForDump& operator=(const RoomForDump&) = delete;

 private:
  int fd_;
  int bytes_;
};

}  // namespace trotline
