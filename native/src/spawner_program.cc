#include "spawner_program.hh"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "capabilities.hh"
#include "spawner_system.hh"

namespace trotline::spawner {
namespace {

bool capabilitiesDenied = false;

constexpr int kLimitKinds[kLimits] = {RLIMIT_CPU, RLIMIT_AS, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_FSIZE};

[[noreturn]] void fail(StartFailure& failure, const char* syscall) {
  failure = {syscall, errno};
  _exit(127);
}

/** Before the user changes, who need not be allowed to, and before the limit on descriptors. */
void joinCgroup(int cgroup, StartFailure& failure) {
  if (cgroup < 0) return;
  const int members = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (members < 0 || write(members, "0", 1) < 0) fail(failure, "cgroup");
  close(members);
}

/** A limit is never a way to raise what the spawner itself may use. */
void applyLimits(const SpawnRequest& request, StartFailure& failure) {
  for (size_t i = 0; i < kLimits; i++) {
    if (request.limits[i] == UINT64_MAX) continue;
    rlimit limit{};
    if (getrlimit(kLimitKinds[i], &limit) < 0) fail(failure, "getrlimit");
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, request.limits[i]);
    // SIGXCPU at the limit; SIGKILL one second later for a program that ignores it.
    const rlim_t grace = kLimitKinds[i] == RLIMIT_CPU ? 1 : 0;
    limit.rlim_max = std::min<rlim_t>(limit.rlim_max, limit.rlim_cur + grace);
    if (setrlimit(kLimitKinds[i], &limit) < 0) fail(failure, "setrlimit");
  }
}

/**
 * Raw calls: the library's own forms synchronise threads through memory that is the parent's here. One that may not change
 * groups can still run programs as itself: they keep its groups, which gives them nothing that it does not have.
 */
void changeUser(const SpawnRequest& request, StartFailure& failure) {
  const bool sameUser = request.uid == kNone || (request.uid == getuid() && request.uid == geteuid());
  const bool sameGroup = request.gid == kNone || (request.gid == getgid() && request.gid == getegid());
  if (sameUser && sameGroup && request.groupCount == 0) return;
  if (syscall(SYS_setgroups, request.groupCount, request.groups) < 0) {
    if (sameUser && sameGroup && errno == EPERM) return;
    fail(failure, "setgroups");
  }
  const uint32_t gid = request.gid;
  if (gid != kNone && syscall(SYS_setresgid, gid, gid, gid) < 0) fail(failure, "setgid");
  const uint32_t uid = request.uid;
  if (uid != kNone && syscall(SYS_setresuid, uid, uid, uid) < 0) fail(failure, "setuid");
}

/** Runs between vfork and exec, in the memory of its parent: no allocation, and nothing is changed but `failure`. */
[[noreturn]] void becomeProgram(const SpawnRequest& request, const ProgramFiles& files, pid_t supervisor, StartFailure& failure) {
  setsid();
  umask(022);
  joinCgroup(files.cgroup, failure);
  if (dup2(files.in, 0) < 0 || dup2(files.out, 1) < 0 || dup2(files.error, 2) < 0) fail(failure, "dup2");
  applyLimits(request, failure);
  changeUser(request, failure);
  if (chdir(request.directory) < 0) fail(failure, "chdir");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // The change of user leaves them to one that was not root.
  if (capabilitiesDenied && (errno = keepCapabilities(0)) != 0) fail(failure, "capset");
  // Should the supervisor and the spawner be killed together. Cleared by a change of user, so it comes after.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // Killed before that, it sends none.
  if (getppid() != supervisor) _exit(127);
  resetSignals();
  execve(request.argv[0], request.argv, request.env);
  fail(failure, "execve");
}

}  // namespace

void denyCapabilities() { capabilitiesDenied = true; }

pid_t startProgram(const SpawnRequest& request, const ProgramFiles& files, StartFailure& failure) {
  const pid_t supervisor = getpid();
  const pid_t pid = vfork();
  if (pid == 0) becomeProgram(request, files, supervisor, failure);
  if (pid < 0) {
    failure = {"fork", errno};
    return -1;
  }
  if (failure.code == 0) return pid;
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
  return -1;
}

}  // namespace trotline::spawner
