#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "capabilities.hh"
#include "launcher_protocol.hh"

namespace trotline {

/** The programs beside the launcher, each with no more capabilities than it needs. */
class Helpers {
 public:
  /** `folder` is theirs. `least`: the opener gets neither CAP_SYS_ADMIN nor CAP_SYS_PTRACE. */
  Helpers(std::string folder, bool least);

  /** Of all of them together. */
  Capabilities capabilities() const;

  /** Starts one; `passed` becomes what goes with the answer. */
  LauncherAnswer start(const LauncherQuestion& question, Passed& passed);

  /** The process was reaped: its number may soon be another's. */
  void ended(pid_t pid) { openers_.erase(pid); }

  /** Those that are left, which hold no more than descriptors. A spawner has programs to kill and is left to itself. */
  const std::set<pid_t>& killOpeners() const;

 private:
  struct Start;
  void startOpener(Start& start, Passed& passed) const;
  static void startSpawner(Start& start, const LauncherQuestion& question, Passed& passed);
  Capabilities openerCapabilities() const;

  std::string folder_;
  bool least_;
  std::set<pid_t> openers_;
};

}  // namespace trotline
