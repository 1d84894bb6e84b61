#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>

namespace trotline::spawner {

/** CLOCK_MONOTONIC: a step of the wall clock neither shortens nor lengthens a run. */
uint64_t nowMicros();

/** Closes `first` and every descriptor above it. */
void closeFrom(int first);

/** False when the other side is gone. */
bool writeAll(int fd, const uint8_t* data, size_t size);

/** False when the other side ended before `size` bytes. */
bool readAll(int fd, uint8_t* into, size_t size);

/** Default dispositions, then those that a spawner and its supervisors need: they end by their pipe alone. */
void setSignals();

/** For the program, before exec: what setSignals() changed, undone. */
void resetSignals();

/** Sleeps until a child ends, at most `millis`. SIGCHLD is blocked everywhere else. */
void awaitChild(int millis);

/** The mask to wait with: SIGCHLD interrupts. */
const sigset_t* waitMask();

/**
 * Kills the children of this process for which `spare(pid)` is false, with their descendants as far as they can be seen; true
 * if there was one. A child that is dead and not yet reaped counts, so the caller reaps and repeats. What a round misses comes to
 * this process when its parent dies, since this process is a subreaper.
 */
bool killChildren(bool (*spare)(int pid));

}  // namespace trotline::spawner
