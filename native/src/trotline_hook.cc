/**
 * Asks the sidecar of this node for a runtime that starts hooks as commands (Claude Code, kagent, Gemini CLI): the event on
 * stdin goes as `POST /v1/hooks` to its Unix socket, the answer to stdout, the reason to stderr, and the exit code is what the
 * runtime's protocol wants. Without an answer it does what --on-failure says. See `--help`.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "hook_answer.hh"
#include "hook_calls.hh"
#include "hook_json.hh"
#include "hook_options.hh"

namespace trotline::hook {
namespace {

/** Of the event, what the sidecar takes by default (`maxBody`); pages that are not needed cost nothing. */
constexpr size_t kMaxEvent = 8 * 1024 * 1024;
/** Projected tokens have one to two kilobytes. */
constexpr size_t kMaxToken = 16 * 1024;
constexpr size_t kMaxRequestHead = 512 + kMaxToken;
/** Of what is said to people. */
constexpr size_t kMaxLine = 2000;
/** Every runtime stops for it. */
constexpr int kBlocks = 2;

char request[kMaxRequestHead + kMaxEvent + 1];
char arrived[kMaxHead + kMaxBody];
char* const event = request + kMaxRequestHead;

bool isClosed = false;

/** Nobody answered: goes on or blocks, and says why. */
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...) {
  char reason[kMaxLine];
  va_list values;
  va_start(values, format);
  std::vsnprintf(reason, sizeof reason, format, values);
  va_end(values);
  say("%s; %s", reason, isClosed ? "blocked (--on-failure closed)" : "not asked, goes on (--on-failure open)");
  ::_exit(isClosed ? kBlocks : 0);
}

/** A deadline that is over is the same failure wherever it was noticed. */
[[noreturn]] void failFor(const char* what) {
  if (errno == ETIMEDOUT) fail("%s: no end within --timeout", what);
  fail("%s: %s", what, std::strerror(errno));
}

size_t readEvent() {
  size_t size = 0;
  for (;;) {
    // What is too much is read all the same: whoever writes it must not be cut off.
    const bool isFull = size > kMaxEvent;
    char* const into = isFull ? arrived : event + size;
    const size_t room = isFull ? sizeof arrived : kMaxEvent + 1 - size;
    const ssize_t got = persist(STDIN_FILENO, POLLIN, [&] { return ::read(STDIN_FILENO, into, room); });
    if (got < 0) failFor("reading the event from stdin");
    if (got == 0) break;
    if (!isFull) size += static_cast<size_t>(got);
  }
  if (size > kMaxEvent) fail("the event on stdin is larger than %zu bytes", kMaxEvent);
  if (size == 0) fail("nothing came on stdin, expected the event as JSON");
  return size;
}

int connectTo(const Options& options) {
  const auto* const address = reinterpret_cast<const sockaddr*>(&options.address.storage);
  int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && fd <= STDERR_FILENO) {
    // Started with a closed stream: nothing that is said may go to the sidecar.
    const int closed = fd;
    fd = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    ::close(closed);
  }
  if (fd < 0) failFor("socket");
  const auto connected = [&] {
    const int result = ::connect(fd, address, options.address.size);
    if (result == 0 || errno == EISCONN) return 0;
    // A signal came in between: it goes on without us.
    if (errno == EALREADY) errno = EAGAIN;
    return -1;
  };
  if (persist(fd, POLLOUT, connected) < 0) {
    fail("no sidecar at %s: %s", options.where, errno == ETIMEDOUT ? "it takes no connection within --timeout" : std::strerror(errno));
  }
  return fd;
}

/** "" without one. A line break at its end is none of it. */
std::string_view readToken(const char* path) {
  static char token[kMaxToken + 1];
  if (path == nullptr) return "";
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail("the token in %s: %s", path, std::strerror(errno));
  size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < sizeof token; size += static_cast<size_t>(got)) {
    got = persist(fd, POLLIN, [&] { return ::read(fd, token + size, sizeof token - size); });
    if (got < 0) fail("the token in %s: %s", path, std::strerror(errno));
  }
  ::close(fd);
  std::string_view text(token, size);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxToken) fail("the token in %s has %zu bytes, expected 1 to %zu", path, text.size(), kMaxToken);
  for (const char letter : text) {
    if (letter <= ' ' || letter > '~') fail("the token in %s is no token: one line without spaces was expected", path);
  }
  return text;
}

/** The head is written right before the event, so that both go at once. */
std::string_view composeRequest(const Options& options, size_t size) {
  char head[kMaxRequestHead];
  const int64_t left = leftMillis();
  const char* const named = options.dialect == nullptr ? "" : "&dialect=";
  const auto token = readToken(options.tokenFile);
  const int length = std::snprintf(
      head, sizeof head,
      "POST /v1/hooks?timeout=%lld.%03lld%s%s HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n"
      "Content-Length: %zu\r\nConnection: close\r\n%s%.*s%s\r\n",
      static_cast<long long>(left / 1000), static_cast<long long>(left % 1000), named,
      options.dialect == nullptr ? "" : options.dialect, size,
      token.empty() ? "" : "Authorization: Bearer ", static_cast<int>(token.size()), token.data(), token.empty() ? "" : "\r\n");
  char* const start = event - length;
  std::memcpy(start, head, static_cast<size_t>(length));
  return {start, static_cast<size_t>(length) + size};
}

/** Until all is sent, or there is something to read: a sidecar that answers before the end has refused. */
void sendAll(int fd, std::string_view left) {
  while (!left.empty()) {
    const ssize_t sent = ::send(fd, left.data(), left.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      left.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EPIPE || errno == ECONNRESET) return;
    if (errno != EAGAIN && errno != EINTR) failFor("asking the sidecar");
    pollfd polled{fd, POLLIN | POLLOUT, 0};
    const auto wait = [&] { return ::poll(&polled, 1, static_cast<int>(leftMillis())); };
    if (persist(fd, 0, wait) < 0) failFor("asking the sidecar");
    if ((polled.revents & ~POLLOUT) != 0) return;
  }
}

Answer receive(int fd) {
  AnswerReader reader;
  for (size_t size = 0;;) {
    const ssize_t got = persist(fd, POLLIN, [&] { return ::recv(fd, arrived + size, sizeof arrived - size, 0); });
    if (got < 0) failFor("waiting for the sidecar's answer");
    if (got == 0) fail("the sidecar's answer ended after %zu bytes", size);
    size += static_cast<size_t>(got);
    const auto arrival = reader.read({arrived, size});
    if (arrival == Arrival::kBroken) fail("the sidecar's answer %s", reader.answer().problem);
    if (arrival == Arrival::kWhole) return reader.answer();
  }
}

int hexOf(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

void sayReason(std::string_view encoded) {
  char text[kMaxLine];
  size_t size = 0;
  for (size_t index = 0; index < encoded.size() && size + 1 < sizeof text; ++index) {
    text[size++] = encoded[index];
    if (encoded[index] != '%' || index + 2 >= encoded.size()) continue;
    const int high = hexOf(encoded[index + 1]);
    const int low = hexOf(encoded[index + 2]);
    if (high < 0 || low < 0) continue;
    text[size - 1] = static_cast<char>(high * 16 + low);
    index += 2;
  }
  text[size] = '\0';
  say("%s", text);
}

[[noreturn]] void relay(const Answer& answer) {
  const int bodySize = static_cast<int>(answer.body.size() < kMaxLine ? answer.body.size() : kMaxLine);
  if (answer.status != 200) fail("the sidecar refused (%d): %.*s", answer.status, bodySize, answer.body.data());
  // What the runtime cannot read, it would take for consent.
  if (!isJsonObject(answer.body)) fail("the sidecar's answer is no JSON object");
  for (auto left = answer.body; !left.empty();) {
    const ssize_t written = persist(STDOUT_FILENO, POLLOUT, [&] { return ::write(STDOUT_FILENO, left.data(), left.size()); });
    if (written < 0) failFor("writing the answer to stdout");
    left.remove_prefix(static_cast<size_t>(written));
  }
  if (!answer.reason.empty()) sayReason(answer.reason);
  ::_exit(answer.exit);
}

}  // namespace

void say(const char* format, ...) {
  constexpr std::string_view kName = "trotline-hook: ";
  char line[kName.size() + kMaxLine + 100];
  kName.copy(line, kName.size());
  va_list values;
  va_start(values, format);
  std::vsnprintf(line + kName.size(), sizeof line - kName.size() - 1, format, values);
  va_end(values);
  size_t size = std::strlen(line);
  for (size_t index = 0; index < size; ++index) {
    const auto letter = static_cast<unsigned char>(line[index]);
    // U+0080 to U+009F control terminals as well.
    const bool isSecond = letter >= 0x80 && letter < 0xa0 && line[index - 1] == '\xc2';
    if (letter < ' ' || letter == 0x7f || isSecond) line[index] = ' ';
    if (isSecond) line[index - 1] = ' ';
  }
  line[size++] = '\n';
  if (::write(STDERR_FILENO, line, size) < 0) return;
}

}  // namespace trotline::hook

int main(int, char** argv) {
  using namespace trotline::hook;
  const Options options = parseOptions(argv + 1);
  isClosed = options.closed;
  startDeadline(options.timeoutMillis);
  const size_t size = readEvent();
  const int fd = connectTo(options);
  sendAll(fd, composeRequest(options, size));
  relay(receive(fd));
}
