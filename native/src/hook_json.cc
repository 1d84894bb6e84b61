#include "hook_json.hh"

namespace trotline::hook {
namespace {

/** Deeper than any answer, and far from the end of the stack. */
constexpr int kMaxDepth = 1000;

bool isDigit(char letter) { return letter >= '0' && letter <= '9'; }

bool isHex(char letter) {
  return isDigit(letter) || (letter >= 'a' && letter <= 'f') || (letter >= 'A' && letter <= 'F');
}

class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}

  bool object(int depth) { return list(depth, '{', '}', &Reader::member); }

  bool atEnd() const { return left_.empty(); }

  void space() {
    while (!left_.empty() && (left_[0] == ' ' || left_[0] == '\t' || left_[0] == '\n' || left_[0] == '\r')) left_.remove_prefix(1);
  }

 private:
  bool value(int depth) {
    if (left_.empty()) return false;
    switch (left_[0]) {
      case '{': return object(depth);
      case '[': return list(depth, '[', ']', &Reader::value);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  bool member(int depth) {
    if (!string()) return false;
    space();
    if (!take(':')) return false;
    space();
    return value(depth);
  }

  bool list(int depth, char first, char last, bool (Reader::*item)(int)) {
    if (depth > kMaxDepth || !take(first)) return false;
    space();
    if (take(last)) return true;
    for (;;) {
      space();
      if (!(this->*item)(depth + 1)) return false;
      space();
      if (take(last)) return true;
      if (!take(',')) return false;
    }
  }

  bool string() {
    if (!take('"')) return false;
    while (!left_.empty()) {
      const char letter = left_[0];
      left_.remove_prefix(1);
      if (letter == '"') return true;
      if (static_cast<unsigned char>(letter) < ' ') return false;
      if (letter == '\\' && !escape()) return false;
    }
    return false;
  }

  bool escape() {
    if (left_.empty()) return false;
    const char letter = left_[0];
    left_.remove_prefix(1);
    if (letter != 'u') return std::string_view("\"\\/bfnrt").find(letter) != std::string_view::npos;
    for (int digit = 0; digit < 4; ++digit) {
      if (left_.empty() || !isHex(left_[0])) return false;
      left_.remove_prefix(1);
    }
    return true;
  }

  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits();
  }

  bool digits() {
    if (left_.empty() || !isDigit(left_[0])) return false;
    while (!left_.empty() && isDigit(left_[0])) left_.remove_prefix(1);
    return true;
  }

  bool word(std::string_view expected) {
    if (left_.size() < expected.size() || std::string_view(left_.data(), expected.size()) != expected) return false;
    left_.remove_prefix(expected.size());
    return true;
  }

  bool take(char letter) {
    if (left_.empty() || left_[0] != letter) return false;
    left_.remove_prefix(1);
    return true;
  }

  std::string_view left_;
};

}  // namespace

bool isJsonObject(std::string_view text) {
  Reader reader(text);
  reader.space();
  if (!reader.object(0)) return false;
  reader.space();
  return reader.atEnd();
}

}  // namespace trotline::hook
