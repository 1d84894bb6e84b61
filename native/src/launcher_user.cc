#include "launcher_user.hh"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace trotline {
namespace {

/** The kernel's last one means "none". */
constexpr unsigned long kLastId = 0xfffffffe;

/** Rows of one of the node's files; without the file there are none. Unlike getpwnam they load no library. */
template <typename Row, typename Visit>
void eachRow(const char* path, Row* (*next)(FILE*), Visit visit) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "re"), std::fclose);
  if (file == nullptr) return;
  while (const Row* row = next(file.get())) visit(*row);
}

bool parseId(const std::string& text, uint32_t& id) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
  errno = 0;
  const unsigned long value = std::strtoul(text.c_str(), nullptr, 10);
  id = static_cast<uint32_t>(value);
  return errno == 0 && value <= kLastId;
}

bool findGroup(const std::string& name, gid_t& gid) {
  bool found = parseId(name, gid);
  eachRow("/etc/group", ::fgetgrent, [&](const group& row) {
    if (name != row.gr_name) return;
    gid = row.gr_gid;
    found = true;
  });
  return found;
}

std::vector<gid_t> groupsOf(const std::string& login, gid_t first) {
  std::vector<gid_t> groups{first};
  eachRow("/etc/group", ::fgetgrent, [&](const group& row) {
    for (char** member = row.gr_mem; *member != nullptr; ++member) {
      if (login == *member && row.gr_gid != first) groups.push_back(row.gr_gid);
    }
  });
  return groups;
}

}  // namespace

bool findUser(const std::string& text, User& user, std::string& unknown) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  std::string login;
  bool found = parseId(name, user.uid);
  user.gid = user.uid;
  eachRow("/etc/passwd", ::fgetpwent, [&](const passwd& row) {
    const bool byNumber = found && login.empty() && row.pw_uid == user.uid;
    if (name != row.pw_name && !byNumber) return;
    login = row.pw_name;
    user.uid = row.pw_uid;
    user.gid = row.pw_gid;
    found = true;
  });
  if (!found) unknown = "user \"" + name + "\"";
  if (!found) return false;
  user.groups = groupsOf(login, user.gid);
  if (colon == std::string::npos) return true;
  const std::string groupName = text.substr(colon + 1);
  if (!findGroup(groupName, user.gid)) unknown = "group \"" + groupName + "\"";
  user.groups = {user.gid};
  return unknown.empty();
}

const char* becomeUser(const User& user) {
  const bool same = user.uid == ::getuid() && user.uid == ::geteuid() && user.gid == ::getgid() && user.gid == ::getegid();
  ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  // One that may not change groups can still be asked to stay who it is.
  if (::setgroups(user.groups.size(), user.groups.data()) != 0) return same && errno == EPERM ? nullptr : "setgroups";
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return "setresgid";
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return "setresuid";
  return nullptr;
}

}  // namespace trotline
