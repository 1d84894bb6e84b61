#pragma once

#include <sys/types.h>

#include "spawner_protocol.hh"

namespace trotline::spawner {

/** A step of the start that failed. `code` is 0 while none did. */
struct StartFailure {
  const char* syscall = "";
  int code = 0;
};

/**
 * Starts the program with `in` as its standard input and `out` as output and error, in a session of its own; -1 on failure,
 * with nothing left to reap. Returns once the program runs or could not. Descriptors of the caller must be close-on-exec and
 * above 2.
 */
pid_t startProgram(const SpawnRequest& request, int in, int out, StartFailure& failure);

}  // namespace trotline::spawner
