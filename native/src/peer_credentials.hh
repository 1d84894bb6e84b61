#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

namespace trotline {

/** The other end of a connected Unix socket, as the kernel noted it when they connected. */
struct PeerCredentials {
  /** 0: it has none in this pid namespace. */
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  /** Supplementary ones; nothing where the kernel does not tell. */
  std::optional<std::vector<gid_t>> groups;
  /** Of the process itself, whoever has its number by now; -1 where the kernel gives none (before 6.5). The caller closes it. */
  int pidfd = -1;
};

/** Throws `SystemError`: EAFNOSUPPORT for what is no Unix socket. */
PeerCredentials peerCredentials(int fd);

}  // namespace trotline
