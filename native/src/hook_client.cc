/*
 * trotline-hook: asks the node's sidecar what a hook of an agent's runtime asks. JSON of the runtime on stdin, JSON for it on
 * stdout. Where no answer can be had, `--on-failure` says what the runtime is told: open lets it go on (exit 0), closed blocks
 * (exit 2, the reason on stderr: so do Claude Code, kagent and Gemini CLI read it).
 */
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "hook_request.hh"

namespace {

using trotline::hook::Answer;
using trotline::hook::ask;
using trotline::hook::nowMillis;
using trotline::hook::Question;
using trotline::hook::readAll;
using trotline::hook::writeAll;

/** As in package.json: a test compares. */
#define TROTLINE_VERSION "0.1.0"
constexpr const char* kDefaultSocket = "/run/trotline/agent.sock";
constexpr uint64_t kDefaultMillis = 60'000;
constexpr uint64_t kLongestMillis = 86'400'000;
/** As much as a sidecar takes by default. */
constexpr size_t kMaxQuestion = size_t{8} << 20;
constexpr int kUsage = 64;
constexpr int kBlocks = 2;

constexpr const char* kHelp =
    "Usage: trotline-hook [options] < QUESTION\n"
    "\n"
    "Asks the sidecar of this node, in the JSON of the agent's runtime, and prints its answer.\n"
    "\n"
    "  --socket PATH       socket of the sidecar (default: TROTLINE_AGENT_SOCKET, or /run/trotline/agent.sock)\n"
    "  --dialect NAME      claude-code, kagent, gemini-cli or neutral (default: told from the question)\n"
    "  --on-failure WHAT   open: an agent that cannot be answered goes on; closed: it is blocked (default: open)\n"
    "  --timeout TIME      for all of it, as 10s or 500ms; give less than the runtime does (default: 60s)\n"
    "  --version, --help\n"
    "\n"
    "Exit codes: 0 answered, or open; 2 blocked; 64 wrong options.\n"
    "\n"
    "Examples:\n"
    "  trotline-hook --on-failure closed --timeout 50s\n"
    "  trotline-hook --socket /var/lib/trotline/sidecar/agent.sock --dialect gemini-cli\n";

struct Options {
  const char* socket = nullptr;
  const char* dialect = "";
  bool closed = false;
  uint64_t millis = kDefaultMillis;
};

void say(int fd, const std::string& text) { writeAll(fd, text.data(), text.size()); }

[[noreturn]] void wrong(const std::string& problem) {
  say(2, "trotline-hook: " + problem + " (see --help)\n");
  std::exit(kUsage);
}

/** `10s`, `500ms`. */
bool parseTime(const char* text, uint64_t& millis) {
  char* unit = nullptr;
  if (*text < '0' || *text > '9') return false;
  const unsigned long long number = std::strtoull(text, &unit, 10);
  const uint64_t factor = !std::strcmp(unit, "ms") ? 1 : !std::strcmp(unit, "s") ? 1'000 : !std::strcmp(unit, "m") ? 60'000 : 0;
  if (factor == 0 || number == 0 || number > kLongestMillis / factor) return false;
  millis = number * factor;
  return true;
}

bool isDialect(const char* name) {
  for (const char* known : {"claude-code", "kagent", "gemini-cli", "neutral"})
    if (!std::strcmp(name, known)) return true;
  return false;
}

void apply(const std::string& name, const char* value, Options& options) {
  const std::string given = name + " is \"" + value + "\", expected ";
  if (name == "--socket") {
    if (*value != '/') wrong(given + "an absolute path");
    options.socket = value;
  } else if (name == "--dialect") {
    if (!isDialect(value)) wrong(given + "claude-code, kagent, gemini-cli or neutral");
    options.dialect = value;
  } else if (name == "--on-failure") {
    options.closed = !std::strcmp(value, "closed");
    if (!options.closed && std::strcmp(value, "open") != 0) wrong(given + "open or closed");
  } else if (!parseTime(value, options.millis)) {
    wrong(given + "like 10s or 500ms, at most a day");
  }
}

Options parseOptions(int argc, char** argv) {
  Options options;
  for (int at = 1; at < argc; at++) {
    const std::string word = argv[at];
    if (word == "--help" || word == "-h") {
      say(1, kHelp);
      std::exit(0);
    }
    if (word == "--version") {
      say(1, "trotline-hook " TROTLINE_VERSION "\n");
      std::exit(0);
    }
    const size_t equals = word.find('=');
    if (word.compare(0, 2, "--") != 0) wrong("unexpected \"" + word + "\"");
    const std::string name = word.substr(0, equals);
    if (name != "--socket" && name != "--dialect" && name != "--on-failure" && name != "--timeout") wrong("unknown option " + name);
    if (equals != std::string::npos) {
      apply(name, argv[at] + equals + 1, options);
    } else {
      if (at + 1 == argc) wrong(word + " has no value");
      apply(word, argv[++at], options);
    }
  }
  if (!options.socket) options.socket = std::getenv("TROTLINE_AGENT_SOCKET");
  if (!options.socket || !*options.socket) options.socket = kDefaultSocket;
  return options;
}

/** One line, whatever the node said. */
std::string oneLine(const std::string& text) {
  std::string line = text.substr(0, 500);
  for (char& character : line)
    if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f) character = ' ';
  return line;
}

int fail(const Options& options, const std::string& problem) {
  const char* what = options.closed ? "blocked: " : "not asked, goes on: ";
  say(2, std::string("trotline-hook: ") + what + oneLine(problem) + "\n");
  return options.closed ? kBlocks : 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const Options options = parseOptions(argc, argv);
  const uint64_t deadline = nowMillis() + options.millis;
  std::string body;
  std::string problem;
  if (!readAll(0, kMaxQuestion, deadline, body, problem)) return fail(options, problem);
  Answer answer;
  if (!ask({options.socket, options.dialect, options.millis, deadline, body}, answer, problem)) return fail(options, problem);
  if (answer.status != 200) return fail(options, "the node answered " + std::to_string(answer.status) + ": " + answer.body);
  if (!writeAll(1, answer.body.data(), answer.body.size())) return fail(options, "nobody reads the answer");
  return 0;
}
