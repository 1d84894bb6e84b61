#pragma once

#include "spawner_protocol.hh"

namespace trotline::spawner {

/**
 * Runs one job to its end, in a process forked for it: starts the program, enforces its time limit, keeps its output, and kills
 * what is left of its tree when the program ended, ran out of time, or `control` ended (a request to kill, or the spawner is
 * gone). Then writes one `ended` frame to `control`. `devNull` becomes the standard streams of this process. Does not return
 * before the last process of the tree is dead.
 */
void supervise(const SpawnRequest& request, int control, int devNull);

}  // namespace trotline::spawner
