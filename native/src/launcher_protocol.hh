#pragma once

#include <cstdint>

#include "descriptor_passing.hh"

namespace trotline {

// What the sidecar asks of the launcher, over a SOCK_SEQPACKET pair. Both are built together: the structs are the format.

enum class HelperKind : uint32_t {
  /** The answer carries its line. */
  kOpener = 1,
  /** The answer carries its standard input and its standard output. */
  kSpawner,
};

struct LauncherQuestion {
  /** Comes back with the answer: one that came too late is thrown away. */
  uint32_t number;
  HelperKind helper;
  /** Of a spawner: its lock file, or empty. */
  char lockFile[4096];
};

struct LauncherAnswer {
  uint32_t number;
  /** 0, or the errno of `syscall`: nothing was started. */
  int32_t code;
  int32_t pid;
  char syscall[16];
};

/** Asks and waits up to `timeoutMs`. Of the answer `code` and `syscall` are also set when none came. */
LauncherAnswer askLauncher(int line, LauncherQuestion question, Passed& passed, int timeoutMs);

}  // namespace trotline
