#include "hook_answer.hh"

#include <strings.h>

namespace trotline::hook {
namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";

/** Digits alone, at most `max`; -1 otherwise. */
long numberIn(std::string_view text, long max) {
  if (text.empty()) return -1;
  long number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return -1;
    number = number * 10 + (digit - '0');
    if (number > max) return -1;
  }
  return number;
}

bool isNamed(std::string_view name, std::string_view expected) {
  return name.size() == expected.size() && ::strncasecmp(name.data(), expected.data(), name.size()) == 0;
}

bool isSpace(char letter) { return letter == ' ' || letter == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && isSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

Arrival AnswerReader::read(std::string_view arrived) {
  if (headSize_ == 0) {
    const auto head = readHead(arrived);
    if (head != Arrival::kWhole) return head;
  }
  const size_t there = arrived.size() - headSize_;
  answer_.body = {arrived.data() + headSize_, there < bodySize_ ? there : bodySize_};
  if (there < bodySize_) return Arrival::kPartly;
  if (there == bodySize_) return Arrival::kWhole;
  answer_.problem = "is longer than its Content-Length";
  return Arrival::kBroken;
}

Arrival AnswerReader::readHead(std::string_view arrived) {
  const size_t from = searched_ < kEndOfHead.size() ? 0 : searched_ - kEndOfHead.size();
  const size_t end = arrived.find(kEndOfHead, from);
  searched_ = arrived.size();
  if (end == std::string_view::npos ? arrived.size() > kMaxHead : end > kMaxHead) {
    broken("begins with more than 16 kB of headers");
    return Arrival::kBroken;
  }
  if (end == std::string_view::npos) return Arrival::kPartly;
  std::string_view head = arrived;
  head.remove_suffix(arrived.size() - end - 2);
  for (bool isFirst = true; !head.empty(); isFirst = false) {
    const size_t size = head.find("\r\n");
    const std::string_view line(head.data(), size);
    head.remove_prefix(size + 2);
    if (isFirst ? !readStatus(line) : !readField(line)) return Arrival::kBroken;
  }
  if (!hasLength_) {
    broken("has no Content-Length");
    return Arrival::kBroken;
  }
  headSize_ = end + kEndOfHead.size();
  return Arrival::kWhole;
}

bool AnswerReader::readStatus(std::string_view line) {
  constexpr std::string_view kProtocol = "HTTP/1.";
  // "HTTP/1.1 200", and then the end or a space.
  if (line.size() < 12 || std::string_view(line.data(), kProtocol.size()) != kProtocol) return broken("is no HTTP");
  if (line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) return broken("is no HTTP");
  const long status = numberIn({line.data() + 9, 3}, 999);
  if (status < 200) return broken("has no final status");
  answer_.status = static_cast<int>(status);
  return true;
}

bool AnswerReader::readField(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || isSpace(line[0])) return broken("has a header that is none");
  const std::string_view name(line.data(), colon);
  const auto value = trimmed({line.data() + colon + 1, line.size() - colon - 1});
  if (isNamed(name, "content-length")) return hasLengthOnce(value);
  if (isNamed(name, "transfer-encoding")) return broken("is in chunks, expected a Content-Length");
  if (isNamed(name, "trotline-reason")) answer_.reason = value;
  if (!isNamed(name, "trotline-exit")) return true;
  answer_.exit = static_cast<int>(numberIn(value, 255));
  return answer_.exit >= 0 || broken("has a trotline-exit that is no exit code");
}

bool AnswerReader::hasLengthOnce(std::string_view value) {
  const long size = numberIn(value, kMaxBody);
  if (hasLength_) return broken("has two Content-Length");
  if (size < 0) return broken("has a Content-Length that is no number up to 16 MB");
  hasLength_ = true;
  bodySize_ = static_cast<size_t>(size);
  return true;
}

bool AnswerReader::broken(const char* problem) {
  answer_.problem = problem;
  return false;
}

}  // namespace trotline::hook
