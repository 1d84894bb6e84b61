#include "launcher_helpers.hh"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "spawner_system.hh"

namespace trotline {
namespace {

constexpr auto kSpawnerCapabilities = capabilities({CAP_SETUID, CAP_SETGID, CAP_KILL});

/** An open file that closes itself. */
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

/** How a helper starts; what goes wrong between vfork and exec is written into its parent's memory. */
struct Helpers::Start {
  const std::string path;
  std::vector<std::string> arguments;
  const Capabilities capabilities;
  int in;
  int out = in;
  int err = in;
  pid_t pid = -1;
  const char* syscall = "";
  int code = 0;

  void fail(const char* call) {
    code = errno;
    syscall = call;
  }

  void run() {
    std::vector<char*> words;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    pid = ::vfork();
    if (pid == 0) become(words.data());
    if (pid < 0) fail("fork");
  }

  /** No allocation: the memory is its parent's. */
  [[noreturn]] void become(char* const* words) {
    char* const environment[] = {nullptr};
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // A session of its own: Ctrl-C is for the sidecar, which drains first.
    ::setsid();
    const bool ready = ::dup2(in, 0) >= 0 && ::dup2(out, 1) >= 0 && ::dup2(err, 2) >= 0 && ::chdir("/") == 0;
    if (!ready) fail("dup2");
    else if ((code = passCapabilities(capabilities)) != 0) syscall = "capset";
    else {
      spawner::closeFrom(3);
      ::execve(path.c_str(), words, environment);
      fail("execve");
    }
    ::_exit(127);
  }
};

Helpers::Helpers(std::string folder, bool least) : folder_(std::move(folder)), least_(least) {}

Capabilities Helpers::openerCapabilities() const {
  const auto least = trotline::capabilities({CAP_NET_ADMIN, CAP_NET_BROADCAST});
  return least_ ? least : least | trotline::capabilities({CAP_SYS_ADMIN, CAP_SYS_PTRACE});
}

Capabilities Helpers::capabilities() const { return openerCapabilities() | kSpawnerCapabilities; }

LauncherAnswer Helpers::start(const LauncherQuestion& question, Passed& passed) {
  const bool isOpener = question.helper == HelperKind::kOpener;
  const File null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  std::string path = folder_ + (isOpener ? "/trotline-opener" : "/trotline-spawner");
  Start start{path, {path}, isOpener ? openerCapabilities() : kSpawnerCapabilities, null.get()};
  if (isOpener) startOpener(start, passed);
  else startSpawner(start, question, passed);
  if (isOpener && start.pid > 0) openers_.insert(start.pid);
  LauncherAnswer answer{question.number, start.code, start.pid, ""};
  std::snprintf(answer.syscall, sizeof answer.syscall, "%s", start.syscall);
  return answer;
}

const std::set<pid_t>& Helpers::killOpeners() const {
  for (const pid_t pid : openers_) ::kill(pid, SIGKILL);
  return openers_;
}

void Helpers::startOpener(Start& start, Passed& passed) const {
  if (least_) start.arguments.push_back("--least");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return start.fail("socketpair");
  const File theirs(ends[1]);
  passed.add(ends[0]);
  start.in = theirs.get();
  // What it complains of is for the people who read what the launcher and the sidecar say.
  start.err = STDERR_FILENO;
  start.run();
}

void Helpers::startSpawner(Start& start, const LauncherQuestion& question, Passed& passed) {
  start.arguments.push_back("--least");
  const std::string lockFile(question.lockFile, ::strnlen(question.lockFile, sizeof question.lockFile));
  if (!lockFile.empty()) start.arguments.insert(start.arguments.end(), {"--lock", lockFile});
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0) return start.fail("pipe");
  const File theirInput(input[0]);
  passed.add(input[1]);
  if (::pipe2(output, O_CLOEXEC) != 0) return start.fail("pipe");
  const File theirOutput(output[1]);
  passed.add(output[0]);
  start.in = theirInput.get();
  start.out = theirOutput.get();
  start.run();
}

}  // namespace trotline
