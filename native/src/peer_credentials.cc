#include "peer_credentials.hh"

#include <sys/socket.h>

#include <cerrno>

#include "socket_options.hh"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace trotline {
namespace {

constexpr size_t kUsualGroups = 64;

int optionOf(int fd, int name, void* value, socklen_t& size) { return ::getsockopt(fd, SOL_SOCKET, name, value, &size) == 0 ? 0 : errno; }

std::optional<std::vector<gid_t>> groupsOf(int fd) {
  std::vector<gid_t> groups(kUsualGroups);
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int code = optionOf(fd, SO_PEERGROUPS, groups.data(), size);
  if (code == ERANGE) {
    // Now it says how much it is.
    groups.resize(size / sizeof(gid_t));
    code = optionOf(fd, SO_PEERGROUPS, groups.data(), size);
  }
  if (code != 0) return std::nullopt;
  groups.resize(size / sizeof(gid_t));
  return groups;
}

int pidfdOf(int fd) {
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  return optionOf(fd, SO_PEERPIDFD, &pidfd, size) == 0 ? pidfd : -1;
}

}  // namespace

PeerCredentials peerCredentials(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) fail("getsockopt SO_DOMAIN");
  // Of others the kernel gives numbers that mean nobody.
  if (domain != AF_UNIX) throw SystemError("getsockopt SO_PEERCRED", EAFNOSUPPORT);
  ucred credentials{};
  size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) fail("getsockopt SO_PEERCRED");
  return {credentials.pid, credentials.uid, credentials.gid, groupsOf(fd), pidfdOf(fd)};
}

}  // namespace trotline
