#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace trotline {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/**
 * `USER` or `USER:GROUP`, each by name or number, from /etc/passwd and /etc/group. A user alone has the groups of the files,
 * and one without an entry its own number for a group; a group that is given is the only one. False with the `unknown` one.
 */
bool findUser(const std::string& text, User& user, std::string& unknown);

/** Keeps the permitted capabilities. The system call that was refused (errno says why), or null. */
const char* becomeUser(const User& user);

}  // namespace trotline
