#pragma once

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
  LauncherAnswer start(const LauncherQuestion& question, Passed& passed) const;

 private:
  struct Start;
  void startOpener(Start& start, Passed& passed) const;
  static void startSpawner(Start& start, const LauncherQuestion& question, Passed& passed);
  Capabilities openerCapabilities() const;

  std::string folder_;
  bool least_;
};

}  // namespace trotline
