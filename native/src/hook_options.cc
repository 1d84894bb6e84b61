#include "hook_options.hh"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace trotline::hook {
namespace {

/** Of package.json: a test compares them. */
constexpr char kVersion[] = "0.1.0";
constexpr int kMisused = 2;
constexpr int64_t kMaxTimeout = 86'400'000;
constexpr const char* kDialects[] = {"claude-code", "kagent", "gemini-cli", "neutral"};
constexpr char kUsage[] = "trotline-hook [--socket PATH | --address IP:PORT] [--dialect NAME] [--on-failure open|closed] [--timeout 50s]";
constexpr char kHelp[] = R"(usage: %s

Asks the sidecar of this node for a runtime that starts hooks as commands: the event comes on stdin, the answer goes to
stdout, stderr and the exit code.

  --socket PATH       Unix socket of the sidecar; else TROTLINE_AGENT_SOCKET, else agent.sock in the sidecar's data folder
  --address IP:PORT   in its place, where the sidecar listens for pods; else TROTLINE_AGENT_ADDRESS
  --token-file PATH   what proves who asks there, read each time; else TROTLINE_AGENT_TOKEN_FILE
  --dialect NAME      form of the event: claude-code, kagent, gemini-cli, neutral; else TROTLINE_DIALECT, else known by the event
  --on-failure WHAT   without an answer: open goes on (exit 0), closed blocks (exit 2); else TROTLINE_ON_FAILURE, else open
  --timeout DURATION  for all of it, like 500ms, 10s, 2m or milliseconds; 50s: runtimes give 60 or more
  --version           the version
  --help              this

  trotline-hook --socket /run/trotline/agent.sock --on-failure closed < event.json
  trotline-hook --address 10.0.0.7:7412 --token-file /var/run/secrets/trotline/token --dialect kagent
)";

[[noreturn, gnu::format(printf, 1, 2)]] void misused(const char* format, ...) {
  char text[512];
  va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  say("%s", text);
  ::_exit(kMisused);
}

const char* parseDialect(const char* named, const char* text) {
  for (const char* dialect : kDialects) {
    if (std::strcmp(dialect, text) == 0) return dialect;
  }
  misused("%s \"%s\", expected claude-code, kagent, gemini-cli or neutral", named, text);
}

bool parseClosed(const char* where, const char* text) {
  if (std::strcmp(text, "open") == 0) return false;
  if (std::strcmp(text, "closed") == 0) return true;
  misused("%s \"%s\", expected open or closed", where, text);
}

int64_t parseTimeout(const char* text) {
  char* unit = nullptr;
  const long long number = text[0] >= '0' && text[0] <= '9' ? std::strtoll(text, &unit, 10) : 0;
  int64_t factor = 0;
  if (unit == nullptr) factor = 0;
  else if (*unit == '\0' || std::strcmp(unit, "ms") == 0) factor = 1;
  else if (std::strcmp(unit, "s") == 0) factor = 1000;
  else if (std::strcmp(unit, "m") == 0) factor = 60'000;
  if (factor > 0 && number > 0 && number <= kMaxTimeout / factor) return number * factor;
  misused("--timeout \"%s\", expected 1ms to 24 hours, like 500ms, 10s, 2m or milliseconds", text);
}

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

/** In the data folder of the sidecar that `trotline up` starts, of this user (docs/operations.md). */
const char* usualSocket() {
  static char path[4096];
  const char* data = variable("TROTLINE_DATA");
  const char* state = variable("XDG_STATE_HOME");
  const char* home = variable("HOME");
  if (data != nullptr) std::snprintf(path, sizeof path, "%s/sidecar/agent.sock", data);
  else if (::getuid() == 0) return "/var/lib/trotline/sidecar/agent.sock";
  else if (state != nullptr && *state == '/') std::snprintf(path, sizeof path, "%s/trotline/sidecar/agent.sock", state);
  else if (home != nullptr) std::snprintf(path, sizeof path, "%s/.local/state/trotline/sidecar/agent.sock", home);
  else misused("no --socket, and without HOME there is no other");
  return path;
}

[[noreturn]] void print(const char* format, const char* value) {
  std::printf(format, value);
  std::exit(std::fflush(stdout) == 0 ? 0 : 1);
}

/** Of `--name VALUE` and `--name=VALUE`; null when this is another option. */
const char* valueOf(const char* name, char**& argument) {
  const size_t size = std::strlen(name);
  if (std::strncmp(*argument, name, size) != 0) return nullptr;
  if ((*argument)[size] == '=') return *argument + size + 1;
  if ((*argument)[size] != '\0') return nullptr;
  if (argument[1] == nullptr) misused("%s has no value, expected %s", name, kUsage);
  return *++argument;
}

struct Given {
  const char* socket = nullptr;
  const char* address = nullptr;
};

/** What the command line says goes before the environment, and there an address before a socket. */
void findSidecar(const Given& given, Options& options) {
  if (given.socket != nullptr && given.address != nullptr) misused("--socket and --address, expected one of them");
  const char* address = given.address;
  if (address == nullptr && given.socket == nullptr) address = variable("TROTLINE_AGENT_ADDRESS");
  if (address != nullptr) {
    options.where = address;
    if (!networkAddress(address, options.address)) misused("address \"%s\", expected 10.0.0.1:7412 or [fd00::1]:7412", address);
    return;
  }
  options.where = given.socket != nullptr ? given.socket : variable("TROTLINE_AGENT_SOCKET");
  if (options.where == nullptr) options.where = usualSocket();
  if (!unixAddress(options.where, options.address))
    misused("socket \"%s\", expected a path of 1 to %zu bytes", options.where, kMaxPath);
}

}  // namespace

Options parseOptions(char** argument) {
  Options options;
  Given given;
  bool isSaid = false;
  for (; *argument != nullptr; ++argument) {
    if (const char* socket = valueOf("--socket", argument)) given.socket = socket;
    else if (const char* address = valueOf("--address", argument)) given.address = address;
    else if (const char* token = valueOf("--token-file", argument)) options.tokenFile = token;
    else if (const char* dialect = valueOf("--dialect", argument)) options.dialect = parseDialect("--dialect", dialect);
    else if (const char* what = valueOf("--on-failure", argument)) isSaid = true, options.closed = parseClosed("--on-failure", what);
    else if (const char* timeout = valueOf("--timeout", argument)) options.timeoutMillis = parseTimeout(timeout);
    else if (std::strcmp(*argument, "--version") == 0) print("%s\n", kVersion);
    else if (std::strcmp(*argument, "--help") == 0) print(kHelp, kUsage);
    else misused("unknown %s \"%s\", expected %s", **argument == '-' ? "option" : "argument", *argument, kUsage);
  }
  const char* usual = variable("TROTLINE_ON_FAILURE");
  if (!isSaid && usual != nullptr) options.closed = parseClosed("TROTLINE_ON_FAILURE", usual);
  const char* dialect = variable("TROTLINE_DIALECT");
  if (options.dialect == nullptr && dialect != nullptr) options.dialect = parseDialect("TROTLINE_DIALECT", dialect);
  if (options.tokenFile == nullptr) options.tokenFile = variable("TROTLINE_AGENT_TOKEN_FILE");
  findSidecar(given, options);
  return options;
}

}  // namespace trotline::hook
