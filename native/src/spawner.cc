/**
 * Starts, limits, captures and kills programs for the sidecar. One supervisor process a job; see spawner_protocol.hh for the
 * frames on its standard input and output.
 *
 *   trotline-spawner [--least] [--lock FILE]
 *
 * Serves once FILE is locked. The supervisors share the lock and outlive a spawner that is killed until their trees are dead,
 * so the next spawner never begins beside them. `--least`: of its capabilities it keeps CAP_SETUID, CAP_SETGID and CAP_KILL, and
 * programs have none.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "capabilities.hh"
#include "spawner_program.hh"
#include "spawner_protocol.hh"
#include "spawner_supervisor.hh"
#include "spawner_system.hh"

namespace trotline::spawner {
namespace {

constexpr int kRequests = 0;
constexpr int kAnswers = 1;
constexpr int kLock = 3;
constexpr int kControl = 4;
constexpr int kDevNull = 5;
constexpr int kFirstFree = 6;

constexpr uint32_t kMaxJobs = 1024;
constexpr uint64_t kInputEvent = UINT64_MAX;
constexpr int kSweepMillis = 5;
constexpr size_t kKeptPages = 256 * 1024;

/** A supervisor from its fork until it is reaped. */
struct Job {
  pid_t pid = 0;
  uint32_t id = 0;
  int control = -1;
  bool answered = false;
};

alignas(4096) uint8_t requests[kMaxRequest + 4];
size_t requestBytes = 0;
uint8_t answer[kEndedHeader + 2 * kMaxOutput];
Job jobs[kMaxJobs];
/** Slots from here on have never been used. */
uint32_t jobsEnd = 0;
int epollFd = -1;
/** A supervisor was killed; its tree came here and is being killed. */
bool sweeping = false;

[[noreturn]] void giveUp(const char* syscall) {
  const int code = errno;
  uint8_t frame[64];
  const size_t size = std::strlen(syscall);
  storeU32(frame, static_cast<uint32_t>(5 + size));
  frame[4] = kFailed;
  storeU32(frame + 5, static_cast<uint32_t>(code));
  std::memcpy(frame + 9, syscall, size);
  writeAll(kAnswers, frame, 9 + size);
  _exit(1);
}

void answerEnd(uint32_t id, const End& end, const char* syscall) {
  const size_t size = std::strlen(syscall);
  writeEnded(answer, id, end, size, 0);
  std::memcpy(answer + kEndedHeader, syscall, size);
  writeAll(kAnswers, answer, kEndedHeader + size);
}

bool isSupervisor(int pid) {
  return std::any_of(jobs, jobs + jobsEnd, [pid](const Job& job) { return job.pid == pid; });
}

Job* freeSlot() {
  Job* slot = std::find_if(jobs, jobs + jobsEnd, [](const Job& job) { return job.pid == 0 && job.id == 0; });
  if (slot != jobs + jobsEnd) return slot;
  return jobsEnd < kMaxJobs ? &jobs[jobsEnd++] : nullptr;
}

[[noreturn]] void becomeSupervisor(const SpawnRequest& request, int control) {
  dup2(kDevNull, kRequests);
  dup2(kDevNull, kAnswers);
  dup3(control, kControl, O_CLOEXEC);
  closeFrom(kFirstFree);
  supervise(request, kControl, kDevNull);
  _exit(0);
}

/** The name of the system call that failed, or null. */
const char* startJob(const SpawnRequest& request) {
  Job* job = freeSlot();
  if (!job) {
    errno = EAGAIN;
    return "fork";
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return "socketpair";
  const pid_t pid = fork();
  if (pid == 0) becomeSupervisor(request, pair[1]);
  const int code = errno;
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    errno = code;
    return "fork";
  }
  *job = {pid, request.id, pair[0], false};
  epoll_event event{EPOLLIN, {}};
  event.data.u64 = uint64_t{request.id} << 32 | static_cast<uint64_t>(job - jobs);
  epoll_ctl(epollFd, EPOLL_CTL_ADD, job->control, &event);
  return nullptr;
}

void closeControl(Job& job) {
  if (job.control >= 0) close(job.control);
  job.control = -1;
}

/** Passes the supervisor's answer on. Without one (it was killed) the answer follows when its tree is dead. */
void collect(Job& job) {
  const bool whole = readAll(job.control, answer, 4);
  const size_t size = whole ? loadU32(answer) : 0;
  if (whole && size + 4 <= sizeof answer && readAll(job.control, answer + 4, size)) {
    job.answered = true;
    writeAll(kAnswers, answer, 4 + size);
  }
  closeControl(job);
}

void reap() {
  pid_t pid;
  while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) {
    Job* job = std::find_if(jobs, jobs + jobsEnd, [pid](const Job& each) { return each.pid == pid; });
    if (job == jobs + jobsEnd) continue;
    if (job->control >= 0) collect(*job);
    job->pid = 0;
    if (job->answered) *job = {};
    else sweeping = true;
  }
}

/** Kills what killed supervisors left behind, and answers for them when none of it is left. */
void sweep() {
  if (killChildren(isSupervisor)) return;
  sweeping = false;
  for (Job& job : jobs) {
    if (job.pid != 0 || job.id == 0) continue;
    answerEnd(job.id, {kSignal, 0, SIGKILL, 0}, "");
    job = {};
  }
}

void handle(uint8_t type, Bytes body) {
  if (type == kKill && body.size == 4) {
    const uint32_t id = loadU32(body.data);
    for (Job& job : jobs) {
      if (job.id == id && job.control >= 0) shutdown(job.control, SHUT_WR);
    }
    return;
  }
  SpawnRequest request{};
  if (type != kSpawn || body.size < 4) return;
  const bool parsed = parseSpawn(body, request);
  errno = EINVAL;
  const char* failed = parsed ? startJob(request) : "spawn";
  if (failed) answerEnd(loadU32(body.data), {kStartError, 0, static_cast<uint32_t>(errno), 0}, failed);
  std::free(request.groups);
  std::free(request.argv);
  std::free(request.env);
}

/** Handles the whole frames; false when one is longer than any frame may be. */
bool handleFrames() {
  size_t at = 0;
  while (requestBytes - at >= 4) {
    const size_t size = loadU32(requests + at);
    if (size < 1 || size > kMaxRequest) return false;
    if (requestBytes - at - 4 < size) break;
    handle(requests[at + 4], {requests + at + 5, size - 1});
    at += 4 + size;
  }
  std::memmove(requests, requests + at, requestBytes - at);
  requestBytes -= at;
  if (at > kKeptPages && requestBytes == 0) madvise(requests, kMaxRequest, MADV_DONTNEED);
  return true;
}

/** False when the sidecar is gone, or is not one. */
bool readRequests() {
  const ssize_t size = read(kRequests, requests + requestBytes, sizeof requests - requestBytes);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  requestBytes += static_cast<size_t>(size);
  return size > 0 && handleFrames();
}

void serve() {
  epoll_event events[64];
  for (;;) {
    const int count = epoll_pwait(epollFd, events, 64, sweeping ? kSweepMillis : -1, waitMask());
    for (int i = 0; i < count; i++) {
      const uint64_t data = events[i].data.u64;
      if (data == kInputEvent) {
        if (!readRequests()) return;
        continue;
      }
      Job& job = jobs[data & UINT32_MAX];
      if (job.id == data >> 32 && job.control >= 0) collect(job);
    }
    reap();
    if (sweeping) sweep();
  }
}

/** The supervisors see their controls end and kill their trees; what they cannot do any more is done here. */
void stopAll() {
  for (Job& job : jobs) closeControl(job);
  for (;;) {
    pid_t pid;
    while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) {
      for (Job& job : jobs) {
        if (job.pid == pid) job.pid = 0;
      }
    }
    if (pid < 0 && errno == ECHILD) return;
    killChildren(isSupervisor);
    awaitChild(kSweepMillis);
  }
}

void takeLock(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) giveUp("open");
  while (flock(fd, LOCK_EX) < 0) {
    if (errno != EINTR) giveUp("flock");
  }
  if (fd == kLock) return;
  if (dup3(fd, kLock, O_CLOEXEC) < 0) giveUp("dup");
  close(fd);
}

/** Gives every descriptor its number, so that a supervisor can close the others without knowing them. */
void prepare(const char* lockPath) {
  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) < 0) _exit(2);
  }
  closeFrom(3);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) giveUp("open");
  for (const int fd : {kLock, kControl, kDevNull}) {
    if (fd != null && dup3(null, fd, O_CLOEXEC) < 0) giveUp("dup");
  }
  if (lockPath) takeLock(lockPath);
  epollFd = epoll_create1(EPOLL_CLOEXEC);
  if (epollFd < 0) giveUp("epoll_create");
  fcntl(kRequests, F_SETFL, O_NONBLOCK);
  fcntl(kRequests, F_SETFD, FD_CLOEXEC);
  epoll_event event{EPOLLIN, {}};
  event.data.u64 = kInputEvent;
  if (epoll_ctl(epollFd, EPOLL_CTL_ADD, kRequests, &event) < 0) giveUp("epoll_ctl");
}

/** Programs have their share of the processors, but do not interrupt the sidecar whenever one of them wakes up. */
void beConsiderate() {
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

int run(const char* lockPath) {
  setSignals();
  setsid();
  beConsiderate();
  if (chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) giveUp("prctl");
  prepare(lockPath);
  uint8_t ready[9];
  storeU32(ready, 5);
  ready[4] = kReady;
  storeU32(ready + 5, kProtocolVersion);
  if (!writeAll(kAnswers, ready, sizeof ready)) return 1;
  serve();
  stopAll();
  return 0;
}

}  // namespace
}  // namespace trotline::spawner

int main(int, char** argv) {
  namespace spawner = trotline::spawner;
  const char* lock = nullptr;
  for (++argv; *argv != nullptr; ++argv) {
    if (std::strcmp(*argv, "--least") == 0) {
      spawner::denyCapabilities();
      if (trotline::keepCapabilities(trotline::capabilities({CAP_SETUID, CAP_SETGID, CAP_KILL})) != 0) return 1;
    } else if (std::strcmp(*argv, "--lock") == 0 && argv[1] != nullptr) {
      lock = *++argv;
    } else {
      constexpr char usage[] = "usage: trotline-spawner [--least] [--lock FILE]\n";
      return write(2, usage, sizeof usage - 1) < 0 ? 1 : 2;
    }
  }
  return spawner::run(lock);
}
