#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace trotline {

/** A network namespace other than the own. */
struct Netns {
  int32_t nsid = -1;
  /** That of a file in `/run/netns`; else `container-` and twelve digits of its id, `pid-N`, `ns-INODE` or `nsid-N`. */
  std::string name;
  /** The name is that of a file. */
  bool named = false;
  /** 0: not known, the process may not be looked into. */
  uint32_t inode = 0;
  /** A process in it, 0 where only a file was found. */
  pid_t pid = 0;
  /** What to open for it. */
  std::string path;
};

/**
 * Finds the network namespaces of the node: those with a file in `/run/netns` or `/run/docker/netns`, those that processes
 * are in, and those that the kernel knows by an nsid. Each gets an nsid, without which the kernel does not tell of it.
 */
class NetnsRegistry {
 public:
  NetnsRegistry();
  ~NetnsRegistry();
  NetnsRegistry(const NetnsRegistry&) = delete;
  NetnsRegistry& operator=(const NetnsRegistry&) = delete;

  /** The nsid of the own namespace within itself, which it is given too: -1 where that was refused. */
  int32_t own() const { return own_; }

  struct Changes {
    /** New, or with another name than last told. */
    std::vector<Netns> news;
    /** Not there any more. */
    std::vector<int32_t> gone;
  };

  /**
   * Looks around. A namespace that only processes are in, and
   * that has no nsid, is taken at the second look: the first may have seen one that is about to be named.
   */
  Changes scan();

  /** Looks for this one alone; `name` is `nsid-N` where nothing tells more. */
  Netns resolve(int32_t nsid);

  void forget(int32_t nsid) { known_.erase(nsid); }
  /** Everything counts as new. */
  void forgetAll() { known_.clear(); }

  /** A descriptor of the namespace, or a negative errno. */
  int open(int32_t nsid);

 private:
  using Found = std::map<int32_t, Netns>;

  int32_t idOf(uint16_t attribute, uint32_t value);
  int32_t assign(uint16_t attribute, uint32_t value);
  int32_t ask(uint16_t type, uint16_t attribute, uint32_t value);
  void findNamed(Found& found);
  void findProcesses(Found& found);
  void findNumbers(Found& found);
  void addProcess(Found& found, int32_t nsid, pid_t pid);
  Found lookAround();
  /** Adds it to `known_`; false where it is there with the same name. */
  bool learn(Netns& netns);

  int socket_ = -1;
  int32_t own_ = -1;
  uint32_t sequence_ = 0;
  Found known_;
  /** Processes of namespaces without an nsid at the last look, and the ones of this look. */
  std::set<pid_t> candidates_;
};

}  // namespace trotline
