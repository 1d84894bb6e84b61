#include "opener_protocol.hh"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace trotline {
namespace {

constexpr size_t kControlBytes = CMSG_SPACE(sizeof(int));

int waitFor(int socket, int timeoutMs) {
  pollfd polled{socket, POLLIN, 0};
  int ready;
  do ready = ::poll(&polled, 1, timeoutMs);
  while (ready < 0 && errno == EINTR);
  if (ready < 0) return errno;
  return ready == 0 ? ETIMEDOUT : 0;
}

}  // namespace

int sendAnswer(int socket, const OpenerAnswer& answer, int fd) {
  iovec vector{const_cast<OpenerAnswer*>(&answer), sizeof answer};
  alignas(cmsghdr) char control[kControlBytes]{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

int receiveAnswer(int socket, OpenerAnswer& answer, int& fd, int timeoutMs) {
  fd = -1;
  if (const int refused = waitFor(socket, timeoutMs)) return refused;
  iovec vector{&answer, sizeof answer};
  alignas(cmsghdr) char control[kControlBytes]{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0) return errno;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  // An opener that is gone ends the stream.
  return size == sizeof answer ? 0 : EPIPE;
}

}  // namespace trotline
