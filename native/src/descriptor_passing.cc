#include "descriptor_passing.hh"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace trotline {
namespace {

constexpr size_t kControlBytes = CMSG_SPACE(sizeof(int) * Passed::kMost);

int waitFor(int socket, int timeoutMs) {
  pollfd polled{socket, POLLIN, 0};
  int ready;
  do ready = ::poll(&polled, 1, timeoutMs);
  while (ready < 0 && errno == EINTR);
  if (ready < 0) return errno;
  return ready == 0 ? ETIMEDOUT : 0;
}

void take(msghdr& message, Passed& passed) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    passed.count = std::min((header->cmsg_len - CMSG_LEN(0)) / sizeof(int), Passed::kMost);
    std::memcpy(passed.fds, CMSG_DATA(header), passed.count * sizeof(int));
  }
}

}  // namespace

void Passed::closeAll() {
  for (size_t index = 0; index < count; ++index) ::close(fds[index]);
  *this = {};
}

int sendMessage(int socket, const void* data, size_t size, const Passed& passed) {
  iovec vector{const_cast<void*>(data), size};
  alignas(cmsghdr) char control[kControlBytes]{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (passed.count > 0) {
    const size_t bytes = passed.count * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(header), passed.fds, bytes);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

int receiveMessage(int socket, void* data, size_t size, Passed& passed, int timeoutMs) {
  passed = {};
  if (const int refused = waitFor(socket, timeoutMs)) return refused;
  iovec vector{data, size};
  alignas(cmsghdr) char control[kControlBytes]{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return errno;
  take(message, passed);
  if (static_cast<size_t>(got) == size) return 0;
  passed.closeAll();
  return EPIPE;
}

}  // namespace trotline
