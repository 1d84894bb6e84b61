#pragma once

#include <sys/types.h>

#include "spawner_protocol.hh"

namespace trotline::spawner {

/** A step of the start that failed. `code` is 0 while none did. */
struct StartFailure {
  const char* syscall = "";
  int code = 0;
};

/** What a program is started with: its standard streams, and the directory of its cgroup (-1: the caller's). */
struct ProgramFiles {
  int in = -1;
  int out = -1;
  int error = -1;
  int cgroup = -1;
};

/** From now on no program that is started has a capability, whoever its user is. For good. */
void denyCapabilities();

/**
 * Starts the program in a session of its own; -1 on failure, with nothing left to reap. Returns once the program runs or could
 * not. Descriptors of the caller must be close-on-exec and above 2.
 */
pid_t startProgram(const SpawnRequest& request, const ProgramFiles& files, StartFailure& failure);

}  // namespace trotline::spawner
