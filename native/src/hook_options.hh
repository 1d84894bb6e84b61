#pragma once

#include <cstdint>

#include "hook_address.hh"

namespace trotline::hook {

struct Options {
  Address address;
  /** As it was written, for messages. */
  const char* where = nullptr;
  /** File with what proves who asks, where the sidecar asks for it; null: none. */
  const char* tokenFile = nullptr;
  /** Null: the sidecar tells it by the event. */
  const char* dialect = nullptr;
  /** What happens when there is no answer. */
  bool closed = false;
  int64_t timeoutMillis = 50'000;
};

/** Of the command line, then of the environment. Ends the process for --help, --version and what it does not understand (2). */
Options parseOptions(char** arguments);

/** One line on stderr, without the letters that move a terminal's cursor. */
void say(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace trotline::hook
