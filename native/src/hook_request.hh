#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace trotline::hook {

/** Milliseconds of the monotonic clock. */
uint64_t nowMillis();

/** One question to the node. */
struct Question {
  const char* socketPath;
  /** '' leaves it to the node to tell the dialect from the body. */
  const char* dialect;
  uint64_t timeoutMillis;
  /** By `nowMillis`. */
  uint64_t deadline;
  const std::string& body;
};

struct Answer {
  /** Of HTTP. */
  int status = 0;
  std::string body;
};

/** Reads `fd` to its end; false, with why in `problem`, when it is larger than `limit` or does not end by the deadline. */
bool readAll(int fd, size_t limit, uint64_t deadline, std::string& into, std::string& problem);

/** Writes everything, whatever signals come; false when nobody reads it. */
bool writeAll(int fd, const char* data, size_t size);

/** Asks over the node's Unix socket; false, with why in `problem`, for whatever is not a whole answer by the deadline. */
bool ask(const Question& question, Answer& answer, std::string& problem);

}  // namespace trotline::hook
