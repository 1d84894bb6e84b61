#include "spawner_system.hh"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace trotline::spawner {
namespace {

// The sidecar drains on these, and may still need its scripts.
constexpr int kIgnored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};

void onChild(int) {}

/** Deeper descendants come nearer as those above them die. */
constexpr int kMaxDepth = 16;

/** The children of the main thread of `owner` ("self" or a number), by CONFIG_PROC_CHILDREN; false where that is missing. */
template <typename Visit>
bool eachChild(const char* owner, int pid, Visit visit) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%s/task/%d/children", owner, pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  int child = 0;
  char text[512];
  ssize_t size;
  while ((size = read(fd, text, sizeof text)) > 0) {
    for (ssize_t i = 0; i < size; i++) {
      if (text[i] >= '0' && text[i] <= '9') {
        child = child * 10 + (text[i] - '0');
        continue;
      }
      if (child > 0) visit(child);
      child = 0;
    }
  }
  close(fd);
  return true;
}

/**
 * Stops a process before it looks below it: a stopped process neither forks, which is what ends a fork bomb, nor reaps, so
 * that the numbers of its children stay theirs.
 */
void killTree(int pid, int depth) {
  kill(pid, SIGSTOP);
  if (depth < kMaxDepth) {
    char owner[16];
    std::snprintf(owner, sizeof owner, "%d", pid);
    eachChild(owner, pid, [depth](int child) { killTree(child, depth + 1); });
  }
  kill(pid, SIGKILL);
}

/** The parent's id in /proc/PID/stat, whose second field may hold anything between parentheses. 0 when it is gone. */
int parentOf(int pid) {
  char path[64];
  char text[512];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return 0;
  text[size] = 0;
  const char* name = std::strrchr(text, ')');
  return name && std::strlen(name) > 4 ? std::atoi(name + 4) : 0;
}

/** For kernels without CONFIG_PROC_CHILDREN. */
template <typename Visit>
void eachListed(int parent, Visit visit) {
  DIR* processes = opendir("/proc");
  if (!processes) return;
  while (const dirent* entry = readdir(processes)) {
    const int pid = std::atoi(entry->d_name);
    if (pid > 0 && parentOf(pid) == parent) visit(pid);
  }
  closedir(processes);
}

}  // namespace

uint64_t nowMicros() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1'000;
}

void closeFrom(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  const long limit = sysconf(_SC_OPEN_MAX);
  for (int fd = first; fd < (limit > 0 ? limit : 65'536); fd++) close(fd);
}

bool writeAll(int fd, const uint8_t* data, size_t size) {
  while (size > 0) {
    const ssize_t done = write(fd, data, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    data += done;
    size -= static_cast<size_t>(done);
  }
  return true;
}

bool readAll(int fd, uint8_t* into, size_t size) {
  while (size > 0) {
    const ssize_t done = read(fd, into, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    into += done;
    size -= static_cast<size_t>(done);
  }
  return true;
}

void setSignals() {
  for (int number = 1; number < NSIG; number++) std::signal(number, SIG_DFL);
  for (const int number : kIgnored) std::signal(number, SIG_IGN);
  struct sigaction child {};
  child.sa_handler = onChild;
  child.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &child, nullptr);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

void resetSignals() {
  for (const int number : kIgnored) std::signal(number, SIG_DFL);
  std::signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_SETMASK, waitMask(), nullptr);
}

const sigset_t* waitMask() {
  static const sigset_t none{};
  return &none;
}

void awaitChild(int millis) {
  const timespec limit{millis / 1'000, (millis % 1'000) * 1'000'000L};
  ppoll(nullptr, 0, &limit, waitMask());
}

bool killChildren(bool (*spare)(int pid)) {
  bool any = false;
  const auto strike = [&any, spare](int pid) {
    if (spare && spare(pid)) return;
    any = true;
    killTree(pid, 0);
  };
  const int self = getpid();
  if (!eachChild("self", self, strike)) eachListed(self, strike);
  return any;
}

}  // namespace trotline::spawner
