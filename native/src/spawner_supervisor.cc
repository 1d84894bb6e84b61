#include "spawner_supervisor.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "spawner_program.hh"
#include "spawner_system.hh"

namespace trotline::spawner {
namespace {

/** A tree that resists this long (a process stuck in the kernel, or one that changed its user) no longer delays the answer. */
constexpr uint64_t kKillMicros = 5'000'000;
constexpr int kKillRoundMillis = 5;

// Static: pages that no job touches cost nothing, and a supervisor has one job.
uint8_t answer[kEndedHeader + kMaxOutput];
uint8_t scratch[65'536];

class Supervisor {
 public:
  Supervisor(const SpawnRequest& request, int control, int devNull)
      : request_(request), control_(control), devNull_(devNull) {}

  void run() {
    startedAt_ = nowMicros();
    if (!start()) return reportFailure();
    watch();
    killTree();
    drain();
    report();
    // Keeps the lock, and the tree's subreaper, until the last process is dead.
    while (!reapAll()) killRound();
  }

 private:
  bool start() {
    if (*request_.cgroup) {
      cgroup_ = open(request_.cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (cgroup_ < 0) {
        failure_ = {"cgroup", errno};
        return false;
      }
    }
    int out[2];
    int in[2] = {devNull_, -1};
    if (pipe2(out, O_CLOEXEC) < 0 || (request_.hasInput && pipe2(in, O_CLOEXEC) < 0)) {
      failure_ = {"pipe", errno};
      return false;
    }
    main_ = startProgram(request_, {in[0], out[1], cgroup_}, failure_);
    close(out[1]);
    if (request_.hasInput) close(in[0]);
    output_ = out[0];
    input_ = in[1];
    fcntl(output_, F_SETFL, O_NONBLOCK);
    if (input_ >= 0) fcntl(input_, F_SETFL, O_NONBLOCK);
    return main_ > 0;
  }

  /** Until the program ended, its time is over, or the control ended. */
  void watch() {
    const uint64_t deadline = startedAt_ + uint64_t{request_.timeoutMs} * 1'000;
    feed();
    while (!reapAll() && !ended_) {
      const uint64_t now = nowMicros();
      if (now >= deadline) {
        outOfTime_ = true;
        return;
      }
      const uint64_t left = deadline - now;
      const timespec limit{static_cast<time_t>(left / 1'000'000), static_cast<long>(left % 1'000'000) * 1'000};
      pollfd polled[] = {{control_, POLLIN, 0}, {output_, POLLIN, 0}, {input_, POLLOUT, 0}};
      if (ppoll(polled, 3, &limit, waitMask()) <= 0) continue;
      if (polled[0].revents) return;
      if (polled[1].revents) drain();
      if (polled[2].revents) feed();
    }
  }

  /** Takes what the pipe holds now; past the limit it is read and dropped, so that no writer ever waits. */
  void drain() {
    // A limit to one turn, so that a fast writer does not hold up its own timeout.
    for (int turn = 0; turn < 64 && output_ >= 0; turn++) {
      const size_t room = request_.outputLimit - kept_;
      const ssize_t size = room > 0 ? read(output_, answer + kEndedHeader + kept_, room) : read(output_, scratch, sizeof scratch);
      if (size < 0 && errno == EAGAIN) return;
      if (size <= 0) return closeOne(output_);
      if (room > 0) kept_ += static_cast<size_t>(size);
      else truncated_ = true;
    }
  }

  void feed() {
    while (input_ >= 0 && fed_ < request_.input.size) {
      const ssize_t size = write(input_, request_.input.data + fed_, request_.input.size - fed_);
      if (size < 0 && errno == EAGAIN) return;
      if (size < 0) break;
      fed_ += static_cast<size_t>(size);
    }
    if (input_ >= 0) closeOne(input_);
  }

  static void closeOne(int& fd) {
    close(fd);
    fd = -1;
  }

  /** Reaps the dead; true when no child is left, which means no descendant is: orphans come to this process at once. */
  bool reapAll() {
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != main_) continue;
      ended_ = true;
      status_ = status;
      micros_ = nowMicros() - startedAt_;
    }
    return pid < 0 && errno == ECHILD;
  }

  void killRound() const {
    killCgroup();
    killChildren(nullptr);
    awaitChild(kKillRoundMillis);
  }

  /** The kernel's own way, which no fork outruns; before Linux 5.14 there is no such file. */
  void killCgroup() const {
    const int kill = cgroup_ < 0 ? -1 : openat(cgroup_, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (kill < 0) return;
    writeAll(kill, reinterpret_cast<const uint8_t*>("1"), 1);
    close(kill);
  }

  void killTree() {
    if (reapAll()) return;
    // A fork bomb is hundreds of processes that all want the processor. May be refused.
    setpriority(PRIO_PROCESS, 0, -20);
    const uint64_t limit = nowMicros() + kKillMicros;
    while (!reapAll() && nowMicros() < limit) killRound();
  }

  void report() {
    End end{kSignal, 0, SIGKILL, ended_ ? micros_ : nowMicros() - startedAt_};
    if (ended_ && WIFEXITED(status_)) end = {kExit, 0, static_cast<uint32_t>(WEXITSTATUS(status_)), micros_};
    if (ended_ && WIFSIGNALED(status_)) end.value = static_cast<uint32_t>(WTERMSIG(status_));
    if (outOfTime_ && end.kind == kSignal) end.flags |= kTimedOut;
    if (truncated_) end.flags |= kTruncated;
    send(end, kept_);
  }

  void reportFailure() {
    const size_t size = std::strlen(failure_.syscall);
    std::memcpy(answer + kEndedHeader, failure_.syscall, size);
    send({kStartError, 0, static_cast<uint32_t>(failure_.code), nowMicros() - startedAt_}, size);
  }

  void send(const End& end, size_t size) {
    writeEnded(answer, request_.id, end, size);
    writeAll(control_, answer, kEndedHeader + size);
    close(control_);
  }

  const SpawnRequest& request_;
  int control_;
  int devNull_;
  int output_ = -1;
  int input_ = -1;
  int cgroup_ = -1;
  pid_t main_ = -1;
  StartFailure failure_;
  uint64_t startedAt_ = 0;
  uint64_t micros_ = 0;
  size_t kept_ = 0;
  size_t fed_ = 0;
  int status_ = 0;
  bool ended_ = false;
  bool outOfTime_ = false;
  bool truncated_ = false;
};

}  // namespace

void supervise(const SpawnRequest& request, int control, int devNull) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  Supervisor(request, control, devNull).run();
}

}  // namespace trotline::spawner
