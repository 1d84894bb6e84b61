/**
 * Holds the capabilities, so that the sidecar has none, and starts the helpers that need some (`launcher_protocol.hh`).
 *
 *   trotline-launcher [--user USER[:GROUP]] [--least] COMMAND [ARGUMENT...]
 *
 * COMMAND runs without any capability and finds the line to ask on in TROTLINE_LAUNCHER_FD. The launcher passes signals on
 * to it, reaps what ended, which makes it fit for process 1, and ends with its status once the helpers have ended.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "capabilities.hh"
#include "launcher_helpers.hh"
#include "launcher_protocol.hh"
#include "launcher_user.hh"
#include "spawner_system.hh"

namespace trotline {
namespace {

constexpr char kUsage[] = "trotline-launcher [--user USER[:GROUP]] [--least] COMMAND [ARGUMENT...]";
constexpr char kVariable[] = "TROTLINE_LAUNCHER_FD";
/** Node closes the lowest descriptors that it inherits on an exec of itself, up to the first that is free: far above them. */
constexpr int kLineOfCommand = 100;
constexpr int kSignals = 3;
constexpr int kLine = 4;
/** The spawner has killed its programs by then, or never will. */
constexpr auto kPatience = std::chrono::seconds(10);
constexpr int kPassedOn[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

constexpr int kFailed = 1;
constexpr int kMisused = 2;
/** As shells do. */
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
constexpr int kSignalled = 128;

using Clock = std::chrono::steady_clock;

/** One line for people, then the end. */
[[noreturn, gnu::format(printf, 2, 3)]] void leave(int status, const char* format, ...) {
  std::fputs("trotline-launcher: ", stderr);
  va_list values;
  va_start(values, format);
  std::vfprintf(stderr, format, values);
  va_end(values);
  std::fputc('\n', stderr);
  ::_exit(status);
}

[[noreturn]] void leaveFor(const char* syscall) { leave(kFailed, "%s: %s", syscall, std::strerror(errno)); }

struct Options {
  std::optional<User> user;
  /** As it was written. */
  const char* userText = "";
  bool least = false;
  char** command = nullptr;
};

User parseUser(const char* text) {
  User user;
  std::string unknown;
  if (!findUser(text, user, unknown))
    leave(kMisused, "--user \"%s\": %s is not known here, expected a name or a number", text, unknown.c_str());
  return user;
}

Options parseOptions(char** arguments) {
  Options options;
  for (; *arguments != nullptr && **arguments == '-'; ++arguments) {
    const std::string option = *arguments;
    if (option == "--") {
      ++arguments;
      break;
    }
    if (option == "--least") options.least = true;
    else if (option == "--user" && arguments[1] == nullptr) leave(kMisused, "--user has no value, expected USER[:GROUP]");
    else if (option == "--user") options.user = parseUser(options.userText = *++arguments);
    else if (option == "--help") {
      std::printf("usage: %s\n", kUsage);
      std::exit(0);
    } else leave(kMisused, "unknown option \"%s\", expected %s", option.c_str(), kUsage);
  }
  if (*arguments == nullptr) leave(kMisused, "no COMMAND, expected %s", kUsage);
  options.command = arguments;
  return options;
}

/** Whoever closed them: nothing that is opened later may take their places. */
void openStandardStreams() {
  int fd;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  ::close(fd);
}

/** Where this program lies. */
std::string ownFolder() {
  char path[4096];
  const auto size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size < 0 || static_cast<size_t>(size) == sizeof path) leaveFor("readlink /proc/self/exe");
  const std::string whole(path, static_cast<size_t>(size));
  return whole.substr(0, whole.rfind('/'));
}

[[noreturn]] void becomeCommand(char** command, int line, pid_t launcher, const sigset_t& mask) {
  if (const int code = keepCapabilities(0)) errno = code, leaveFor("capset");
  // After the change of user, which clears it. The launcher may be gone already.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (::getppid() != launcher) ::_exit(kSignalled + SIGTERM);
  const int inherited = ::fcntl(line, F_DUPFD, kLineOfCommand);
  if (inherited < 0 && errno == EINVAL) {
    leave(kFailed, "too few open files are allowed (ulimit -n): expected at least %d", kLineOfCommand + 1);
  }
  if (inherited < 0) leaveFor("dup");
  ::setenv(kVariable, std::to_string(inherited).c_str(), 1);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(command[0], command);
  const bool missing = errno == ENOENT || errno == ENOTDIR;
  leave(missing ? kNotFound : kNotExecutable, "%s: %s", command[0], std::strerror(errno));
}

class Launcher {
 public:
  explicit Launcher(const Options& options) : helpers_(ownFolder(), options.least) {
    sigset_t before;
    blockSignals(before);
    int line[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) != 0) leaveFor("socketpair");
    if (options.user) changeUser(*options.user, options.userText);
    const pid_t self = ::getpid();
    command_ = ::fork();
    if (command_ < 0) leaveFor("fork");
    if (command_ == 0) becomeCommand(options.command, line[1], self, before);
    takePlaces(line[0]);
    if (const int code = keepCapabilities(helpers_.capabilities())) errno = code, leaveFor("capset");
  }

  /** The status to end with. */
  int serve() {
    while (!atEnd()) {
      pollfd polled[]{{kSignals, POLLIN, 0}, {open_ ? kLine : -1, POLLIN, 0}};
      if (::poll(polled, 2, waitMs()) < 0 && errno != EINTR) leaveFor("poll");
      if (polled[0].revents != 0) takeSignal();
      if (polled[1].revents != 0) answerQuestion();
    }
    for (const pid_t opener : helpers_.killOpeners()) {
      std::fprintf(stderr, "trotline-launcher: the opener (process %d) did not end by itself and was killed\n", opener);
    }
    return status_;
  }

 private:
  static void changeUser(const User& user, const char* text) {
    const char* refused = becomeUser(user);
    if (refused == nullptr) return;
    const char* needs = errno == EPERM ? "needs CAP_SETUID and CAP_SETGID" : "refused";
    leave(kFailed, "--user %s: %s (%s: %s)", text, needs, refused, std::strerror(errno));
  }

  void blockSignals(sigset_t& before) {
    // Ignored ones are inherited, and the kernel then reaps by itself: nobody would learn how COMMAND ended.
    ::signal(SIGCHLD, SIG_DFL);
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    for (const int number : kPassedOn) sigaddset(&taken, number);
    ::sigprocmask(SIG_BLOCK, &taken, &before);
    signals_ = ::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) leaveFor("signalfd");
  }

  /** Whatever else the launcher was given is COMMAND's alone, so that its end is seen by who waits for it. */
  void takePlaces(int line) const {
    // Neither may lie where the other goes.
    const int signals = ::fcntl(signals_, F_DUPFD_CLOEXEC, kLine + 1);
    const int moved = ::fcntl(line, F_DUPFD_CLOEXEC, kLine + 1);
    if (::dup3(signals, kSignals, O_CLOEXEC) < 0 || ::dup3(moved, kLine, O_CLOEXEC) < 0) leaveFor("dup");
    spawner::closeFrom(kLine + 1);
  }

  bool atEnd() const { return ended_ && (!children_ || Clock::now() >= deadline_); }

  int waitMs() const {
    if (!ended_) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    return static_cast<int>(left < 0 ? 0 : left + 1);
  }

  void takeSignal() {
    signalfd_siginfo signal;
    if (::read(kSignals, &signal, sizeof signal) != sizeof signal) return;
    const int number = static_cast<int>(signal.ssi_signo);
    if (number == SIGCHLD) return reap();
    // What a terminal sends goes to the whole group: COMMAND, for which a second one may mean another thing, has it already.
    const bool fromTerminal = signal.ssi_code == SI_KERNEL && (number == SIGINT || number == SIGQUIT);
    if (!ended_ && !fromTerminal) ::kill(command_, number);
  }

  void reap() {
    int status = 0;
    pid_t pid;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid == command_) end(WIFEXITED(status) ? WEXITSTATUS(status) : kSignalled + WTERMSIG(status));
      else helpers_.ended(pid);
    }
    children_ = pid == 0;
    // Whoever reaped it.
    if (!children_ && !ended_) end(kFailed);
  }

  void end(int status) {
    ended_ = true;
    status_ = status;
    deadline_ = Clock::now() + kPatience;
    hangUp();
  }

  void answerQuestion() {
    LauncherQuestion question{};
    Passed none;
    if (receiveMessage(kLine, &question, sizeof question, none, 0) != 0) return hangUp();
    none.closeAll();
    Passed passed;
    const auto answer = helpers_.start(question, passed);
    sendMessage(kLine, &answer, sizeof answer, passed);
    passed.closeAll();
  }

  void hangUp() {
    if (open_) ::close(kLine);
    open_ = false;
  }

  Helpers helpers_;
  int signals_ = -1;
  pid_t command_ = -1;
  bool open_ = true;
  bool ended_ = false;
  bool children_ = true;
  int status_ = 0;
  Clock::time_point deadline_;
};

}  // namespace
}  // namespace trotline

int main(int, char** argv) {
  trotline::openStandardStreams();
  return trotline::Launcher(trotline::parseOptions(argv + 1)).serve();
}
