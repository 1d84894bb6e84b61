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
uint8_t answer[kEndedHeader + 2 * kMaxOutput];
uint8_t errorOutput[kMaxOutput];
uint8_t scratch[65'536];

/** The reading end of a pipe that the program writes to, and what is kept of it. */
class Capture {
 public:
  /** The writing end; -1 when there is none to be had. */
  int open(uint8_t* into, size_t limit) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    fd = ends[0];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    into_ = into;
    limit_ = limit;
    return ends[1];
  }

  /** Takes what the pipe holds now; past the limit it is read and dropped, so that no writer ever waits. */
  void drain() {
    // A limit to one turn, so that a fast writer does not hold up its own timeout.
    for (int turn = 0; turn < 64 && fd >= 0; turn++) {
      const size_t room = limit_ - kept;
      const ssize_t size = room > 0 ? read(fd, into_ + kept, room) : read(fd, scratch, sizeof scratch);
      if (size < 0 && errno == EAGAIN) return;
      if (size <= 0) {
        close(fd);
        fd = -1;
        return;
      }
      if (room > 0) kept += static_cast<size_t>(size);
      else truncated = true;
    }
  }

  int fd = -1;
  size_t kept = 0;
  bool truncated = false;

 private:
  uint8_t* into_ = nullptr;
  size_t limit_ = 0;
};

class Supervisor {
 public:
  Supervisor(const SpawnRequest& request, int control, int devNull)
      : request_(request), control_(control), devNull_(devNull) {}

  void run() {
    startedAt_ = nowMicros();
    if (!start()) return reportFailure();
    watch();
    killTree();
    output_.drain();
    error_.drain();
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
    const bool apart = request_.errorLimit != kNone;
    int in[2] = {devNull_, -1};
    const int out = output_.open(answer + kEndedHeader, request_.outputLimit);
    const int error = apart ? error_.open(errorOutput, request_.errorLimit) : out;
    if (out < 0 || error < 0 || (request_.hasInput && pipe2(in, O_CLOEXEC) < 0)) {
      failure_ = {"pipe", errno};
      return false;
    }
    main_ = startProgram(request_, {in[0], out, error, cgroup_}, failure_);
    close(out);
    if (apart) close(error);
    if (request_.hasInput) close(in[0]);
    input_ = in[1];
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
      pollfd polled[] = {{control_, POLLIN, 0}, {output_.fd, POLLIN, 0}, {error_.fd, POLLIN, 0}, {input_, POLLOUT, 0}};
      if (ppoll(polled, 4, &limit, waitMask()) <= 0) continue;
      if (polled[0].revents) return;
      if (polled[1].revents) output_.drain();
      if (polled[2].revents) error_.drain();
      if (polled[3].revents) feed();
    }
  }

  void feed() {
    while (input_ >= 0 && fed_ < request_.input.size) {
      const ssize_t size = write(input_, request_.input.data + fed_, request_.input.size - fed_);
      if (size < 0 && errno == EAGAIN) return;
      if (size < 0) break;
      fed_ += static_cast<size_t>(size);
    }
    if (input_ >= 0) close(input_);
    input_ = -1;
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
    if (output_.truncated || error_.truncated) end.flags |= kTruncated;
    std::memcpy(answer + kEndedHeader + output_.kept, errorOutput, error_.kept);
    send(end, output_.kept, error_.kept);
  }

  void reportFailure() {
    const size_t size = std::strlen(failure_.syscall);
    std::memcpy(answer + kEndedHeader, failure_.syscall, size);
    send({kStartError, 0, static_cast<uint32_t>(failure_.code), nowMicros() - startedAt_}, size, 0);
  }

  void send(const End& end, size_t outputSize, size_t errorSize) {
    writeEnded(answer, request_.id, end, outputSize, errorSize);
    writeAll(control_, answer, kEndedHeader + outputSize + errorSize);
    close(control_);
  }

  const SpawnRequest& request_;
  int control_;
  int devNull_;
  Capture output_;
  Capture error_;
  int input_ = -1;
  int cgroup_ = -1;
  pid_t main_ = -1;
  StartFailure failure_;
  uint64_t startedAt_ = 0;
  uint64_t micros_ = 0;
  size_t fed_ = 0;
  int status_ = 0;
  bool ended_ = false;
  bool outOfTime_ = false;
};

}  // namespace

void supervise(const SpawnRequest& request, int control, int devNull) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  Supervisor(request, control, devNull).run();
}

}  // namespace trotline::spawner
