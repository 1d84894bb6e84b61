#include "netns_registry.hh"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "attributes.hh"
#include "socket_options.hh"

namespace trotline {
namespace {

constexpr std::array<const char*, 2> kFolders{"/run/netns", "/run/docker/netns"};
constexpr size_t kContainerIdDigits = 64;
constexpr size_t kShownDigits = 12;

/** An open file that closes itself. */
class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/** The names in a folder, sorted, so that of two names of one namespace always the same counts. */
std::vector<std::string> namesIn(const char* folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(folder), ::closedir);
  if (directory == nullptr) return names;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool isNamespace(int fd) {
  struct statfs info;
  return fd >= 0 && ::fstatfs(fd, &info) == 0 && info.f_type == NSFS_MAGIC;
}

uint32_t inodeOf(int fd) {
  struct stat info;
  return fd >= 0 && ::fstat(fd, &info) == 0 ? static_cast<uint32_t>(info.st_ino) : 0;
}

/** The first twelve digits of the container's id that the path of the process's cgroup holds, or empty. */
std::string containerOf(pid_t pid) {
  const File file("/proc/" + std::to_string(pid) + "/cgroup");
  char text[4096];
  const auto size = file.get() < 0 ? -1 : ::read(file.get(), text, sizeof text);
  size_t digits = 0;
  for (ssize_t index = 0; index < size; ++index) {
    digits = std::isxdigit(static_cast<unsigned char>(text[index])) != 0 ? digits + 1 : 0;
    if (digits == kContainerIdDigits) return {text + index + 1 - kContainerIdDigits, kShownDigits};
  }
  return "";
}

/** Of a namespace of which nothing else is known. */
std::string numberName(int32_t nsid) { return "nsid-" + std::to_string(nsid); }

std::string processPath(pid_t pid) { return "/proc/" + std::to_string(pid) + "/ns/net"; }

}  // namespace

NetnsRegistry::NetnsRegistry() : socket_(openSocket()) {
  // An answer comes at once or never.
  const timeval patience{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto self = static_cast<uint32_t>(::getpid());
  own_ = idOf(NETNSA_PID, self);
  if (own_ < 0) own_ = assign(NETNSA_PID, self);
}

NetnsRegistry::~NetnsRegistry() { ::close(socket_); }

NetnsRegistry::Changes NetnsRegistry::scan() {
  auto found = lookAround();
  Changes changes;
  for (auto entry = known_.begin(); entry != known_.end();) {
    if (found.count(entry->first) != 0) {
      ++entry;
      continue;
    }
    changes.gone.push_back(entry->first);
    entry = known_.erase(entry);
  }
  for (auto& [nsid, netns] : found) {
    if (learn(netns)) changes.news.push_back(netns);
  }
  return changes;
}

Netns NetnsRegistry::resolve(int32_t nsid) {
  Found found;
  findNamed(found);
  auto entry = found.find(nsid);
  if (entry == found.end()) {
    findProcesses(found);
    findNumbers(found);
    entry = found.find(nsid);
  }
  if (entry != found.end()) {
    learn(entry->second);
    return entry->second;
  }
  Netns netns;
  netns.nsid = nsid;
  netns.name = numberName(nsid);
  return netns;
}

int NetnsRegistry::open(int32_t nsid) {
  const auto entry = known_.find(nsid);
  const std::string path = entry != known_.end() && !entry->second.path.empty() ? entry->second.path : resolve(nsid).path;
  if (path.empty()) return -ENOENT;
  File file(path);
  if (file.get() < 0) return -errno;
  // The process may have gone, and its number be another's by now.
  if (idOf(NETNSA_FD, static_cast<uint32_t>(file.get())) != nsid) return -ESTALE;
  return file.release();
}

/** -1: none was given; below: refused. */
int32_t NetnsRegistry::idOf(uint16_t attribute, uint32_t value) { return ask(RTM_GETNSID, attribute, value); }

int32_t NetnsRegistry::assign(uint16_t attribute, uint32_t value) {
  ask(RTM_NEWNSID, attribute, value);
  return idOf(attribute, value);
}

int32_t NetnsRegistry::ask(uint16_t type, uint16_t attribute, uint32_t value) {
  struct {
    nlmsghdr header;
    uint32_t family;
    nlattr valueHeader;
    uint32_t value;
    nlattr nsidHeader;
    int32_t nsid;
  } request{};
  const bool give = type == RTM_NEWNSID;
  // A question ends before the last attribute.
  const size_t length = give ? sizeof request : offsetof(decltype(request), nsidHeader);
  request.header.nlmsg_len = static_cast<uint32_t>(length);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = give ? NLM_F_REQUEST | NLM_F_ACK : NLM_F_REQUEST;
  request.header.nlmsg_seq = ++sequence_;
  request.valueHeader = {NLA_HDRLEN + sizeof value, attribute};
  request.value = value;
  request.nsidHeader = {NLA_HDRLEN + sizeof request.nsid, NETNSA_NSID};
  request.nsid = NETNSA_NSID_NOT_ASSIGNED;
  if (::send(socket_, &request, length, 0) < 0) return -errno - 1;
  alignas(nlmsghdr) uint8_t buffer[1024];
  for (;;) {
    const auto size = ::recv(socket_, buffer, sizeof buffer, 0);
    if (size < 0) return -errno - 1;
    const auto header = load<nlmsghdr>(buffer);
    if (static_cast<size_t>(size) < sizeof header || header.nlmsg_seq != sequence_) continue;
    if (header.nlmsg_type == NLMSG_ERROR) return load<int32_t>(buffer + NLMSG_HDRLEN) - 1;
    int32_t nsid = -1;
    const Bytes payload{buffer + NLMSG_HDRLEN, static_cast<size_t>(size) - NLMSG_HDRLEN};
    eachAttribute({payload.data + 4, payload.size - 4}, [&](uint16_t kind, Bytes found) {
      if (kind == NETNSA_NSID && found.size >= sizeof nsid) nsid = load<int32_t>(found.data);
      return true;
    });
    return nsid;
  }
}

NetnsRegistry::Found NetnsRegistry::lookAround() {
  Found found;
  findNamed(found);
  findProcesses(found);
  findNumbers(found);
  return found;
}

void NetnsRegistry::findNamed(Found& found) {
  for (const char* folder : kFolders) {
    for (const auto& name : namesIn(folder)) {
      const std::string path = std::string(folder) + "/" + name;
      const File file(path);
      if (!isNamespace(file.get())) continue;
      const auto fd = static_cast<uint32_t>(file.get());
      int32_t nsid = idOf(NETNSA_FD, fd);
      if (nsid == -1) nsid = assign(NETNSA_FD, fd);
      if (nsid < 0 || nsid == own_) continue;
      found.try_emplace(nsid, Netns{nsid, name, true, inodeOf(file.get()), 0, path});
    }
  }
}

void NetnsRegistry::findProcesses(Found& found) {
  std::set<pid_t> candidates;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
  if (directory == nullptr) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto pid = static_cast<pid_t>(std::atoi(entry->d_name));
    if (pid <= 0) continue;
    int32_t nsid = idOf(NETNSA_PID, static_cast<uint32_t>(pid));
    if (nsid == -1 && candidates_.count(pid) == 0) candidates.insert(pid);
    else if (nsid == -1) nsid = assign(NETNSA_PID, static_cast<uint32_t>(pid));
    if (nsid >= 0 && nsid != own_) addProcess(found, nsid, pid);
  }
  candidates_ = std::move(candidates);
}

void NetnsRegistry::addProcess(Found& found, int32_t nsid, pid_t pid) {
  const auto [entry, added] = found.try_emplace(nsid);
  Netns& netns = entry->second;
  if (!added) {
    if (netns.pid == 0) netns.pid = pid;
    return;
  }
  netns.nsid = nsid;
  netns.pid = pid;
  netns.path = processPath(pid);
  const auto known = known_.find(nsid);
  const File file(netns.path);
  netns.inode = inodeOf(file.get());
  if (known != known_.end() && known->second.pid == pid && known->second.name != numberName(nsid)) {
    netns.name = known->second.name;
    return;
  }
  const auto container = containerOf(pid);
  netns.name = container.empty() ? "pid-" + std::to_string(pid) : "container-" + container;
}

/** Namespaces that have an nsid, but neither a file nor a process that can be seen from here. */
void NetnsRegistry::findNumbers(Found& found) {
  struct {
    nlmsghdr header;
    rtgenmsg family;
  } request{};
  request.header = {NLMSG_LENGTH(sizeof(rtgenmsg)), RTM_GETNSID, NLM_F_REQUEST | NLM_F_DUMP, ++sequence_, 0};
  if (::send(socket_, &request, request.header.nlmsg_len, 0) < 0) return;
  std::array<uint8_t, 32768> buffer;
  for (;;) {
    const auto size = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (size < 0) return;
    for (size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<size_t>(size);) {
      const auto header = load<nlmsghdr>(buffer.data() + at);
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR || header.nlmsg_len < NLMSG_LENGTH(4)) return;
      const Bytes attributes{buffer.data() + at + NLMSG_LENGTH(4), header.nlmsg_len - NLMSG_LENGTH(4)};
      eachAttribute(attributes, [&](uint16_t kind, Bytes value) {
        if (kind != NETNSA_NSID || value.size < sizeof(int32_t)) return true;
        const auto nsid = load<int32_t>(value.data);
        if (nsid != own_ && found.count(nsid) == 0) {
          const auto known = known_.find(nsid);
          Netns netns;
          netns.nsid = nsid;
          netns.name = known != known_.end() ? known->second.name : numberName(nsid);
          if (known != known_.end()) netns.inode = known->second.inode;
          found.emplace(nsid, netns);
        }
        return true;
      });
      at += NLMSG_ALIGN(header.nlmsg_len);
    }
  }
}

bool NetnsRegistry::learn(Netns& netns) {
  const auto entry = known_.find(netns.nsid);
  if (entry == known_.end()) {
    known_.emplace(netns.nsid, netns);
    return true;
  }
  Netns& known = entry->second;
  const bool same = known.inode == netns.inode || known.inode == 0 || netns.inode == 0;
  const bool hasName = known.named || known.name != numberName(netns.nsid);
  // Whatever it was called first stays its name, unless a file gives it one: hooks name it.
  if (same && hasName && (!netns.named || known.named)) {
    netns.name = known.name;
    netns.named = known.named;
  }
  const bool told = same && known.name == netns.name;
  known = netns;
  return !told;
}

}  // namespace trotline
