#pragma once

#include <cstddef>
#include <string_view>

namespace trotline::hook {

/** Of everything before the body: our sidecar's are a few hundred bytes. */
constexpr size_t kMaxHead = 16 * 1024;
/** Of the body: it may hold the whole input of a tool, rewritten. */
constexpr size_t kMaxBody = 16 * 1024 * 1024;

enum class Arrival { kPartly, kWhole, kBroken };

/** An HTTP/1.1 answer as the sidecar writes it: one Content-Length, no chunks. */
struct Answer {
  int status = 0;
  std::string_view body;
  /** `trotline-exit`: what the runtime's protocol wants besides the body; 0 where it is not there. */
  int exit = 0;
  /** `trotline-reason`, percent-encoded. */
  std::string_view reason;
  /** What is wrong with a broken one. */
  const char* problem = "";
};

/** Reads what has arrived so far, and is called again with the same bytes and more behind them. */
class AnswerReader {
 public:
  Arrival read(std::string_view arrived);

  const Answer& answer() const { return answer_; }

 private:
  Arrival readHead(std::string_view arrived);
  bool readStatus(std::string_view line);
  bool readField(std::string_view line);
  bool hasLengthOnce(std::string_view value);
  bool broken(const char* problem);

  Answer answer_;
  size_t searched_ = 0;
  size_t headSize_ = 0;
  size_t bodySize_ = 0;
  bool hasLength_ = false;
};

}  // namespace trotline::hook
