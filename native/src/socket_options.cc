#include "socket_options.hh"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

namespace trotline {
namespace {

int integerOption(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, level, name, &value, &size) != 0) fail("getsockopt");
  return value;
}

void requireRoute(int fd) {
  const bool route = integerOption(fd, SOL_SOCKET, SO_DOMAIN) == AF_NETLINK &&
                     integerOption(fd, SOL_SOCKET, SO_PROTOCOL) == NETLINK_ROUTE;
  if (!route) throw SystemError("socket", EPROTOTYPE);
}

constexpr int kRoomForDump = 128 * 1024;

/** The kernel doubles `bytes`. */
bool setReceiveBuffer(int fd, int name, int bytes) { return ::setsockopt(fd, SOL_SOCKET, name, &bytes, sizeof bytes) == 0; }

/** Whether the size does not depend on net.core.rmem_max. */
bool sizeReceiveBuffer(int fd, bool handedIn, int bytes) {
  // An opener with capabilities has perhaps set more than this process may.
  if (handedIn && integerOption(fd, SOL_SOCKET, SO_RCVBUF) / 2 >= bytes) return true;
  if (setReceiveBuffer(fd, SO_RCVBUFFORCE, bytes)) return true;
  if (!setReceiveBuffer(fd, SO_RCVBUF, bytes)) fail("setsockopt");
  return false;
}

uint32_t portId(int fd) {
  sockaddr_nl self{};
  socklen_t size = sizeof self;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&self), &size) != 0) fail("getsockname");
  return self.nl_pid;
}

void bindSocket(int fd) {
  if (portId(fd) != 0) return;
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&self), sizeof self) != 0) fail("bind");
}

}  // namespace

SystemError::SystemError(const char* call, int error)
    : std::runtime_error(std::string(call) + ": " + std::generic_category().message(error)), syscall(call), code(error) {}

void fail(const char* call) { throw SystemError(call, errno); }

int openSocket() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) fail("socket");
  return fd;
}

SocketState prepareSocket(int fd, bool handedIn, int receiveBufferBytes) {
  if (handedIn) requireRoute(fd);
  SocketState state;
  state.receiveBufferForced = sizeReceiveBuffer(fd, handedIn, receiveBufferBytes);
  state.receiveBufferBytes = integerOption(fd, SOL_SOCKET, SO_RCVBUF);
  // Older kernels lack these, and nothing depends on them but the quality of a refusal.
  const int on = 1;
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    ::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
  }
  bindSocket(fd);
  state.portId = portId(fd);
  const int group = RTNLGRP_LINK;
  if (::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) fail("setsockopt");
  return state;
}

std::optional<SocketMemory> socketMemory(int fd) {
  std::array<uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size) != 0) return std::nullopt;
  return SocketMemory{values[SK_MEMINFO_RMEM_ALLOC], values[SK_MEMINFO_RCVBUF], values[SK_MEMINFO_DROPS]};
}

RoomForDump::RoomForDump(int fd, int receiveBufferBytes) : fd_(fd), bytes_(receiveBufferBytes / 2) {
  if (bytes_ < kRoomForDump) setReceiveBuffer(fd_, SO_RCVBUF, kRoomForDump);
}

RoomForDump::~RoomForDump() {
  if (bytes_ < kRoomForDump) setReceiveBuffer(fd_, SO_RCVBUF, bytes_);
}

}  // namespace trotline
