/**
 * The process that has the capabilities which hearing takes, so that the sidecar has none: it opens netlink sockets and
 * passes them on, gives namespaces an nsid and finds their names. It is asked on a SOCK_SEQPACKET pair, descriptor 0
 * (`opener_protocol.hh`), and ends when the other side does. `trotline-opener [--least]`: CAP_NET_ADMIN and
 * CAP_NET_BROADCAST alone are kept; else CAP_SYS_ADMIN and CAP_SYS_PTRACE too, with which it can look into every namespace.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "capabilities.hh"
#include "netns_registry.hh"
#include "opener_protocol.hh"
#include "socket_options.hh"

namespace trotline {
namespace {

constexpr int kControl = 0;
/** Between two looks at the processes; a file in /run/netns is seen at once. */
constexpr auto kLookAround = std::chrono::seconds(2);

using Clock = std::chrono::steady_clock;

class Opener {
 public:
  Opener()
      : ownNetns_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)),
        mounts_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {
    // The reader always reads; should it not, what it was not told is told later.
    const timeval patience{1, 0};
    ::setsockopt(kControl, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }

  /** Until the other side is gone. */
  void serve() {
    for (;;) {
      std::array<pollfd, 2> polled{{{kControl, POLLIN, 0}, {mounts_, POLLPRI, 0}}};
      const int ready = ::poll(polled.data(), watching_ && mounts_ >= 0 ? 2 : 1, waitMs());
      if (ready < 0 && errno != EINTR) return;
      if (watching_ && (polled[1].revents != 0 || Clock::now() >= nextLook_)) lookAround();
      if (polled[0].revents != 0 && !answerQuestion()) return;
    }
  }

 private:
  int waitMs() const {
    if (!watching_) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(nextLook_ - Clock::now()).count();
    return static_cast<int>(std::max<int64_t>(left + 1, 0));
  }

  bool answerQuestion() {
    OpenerQuestion question{};
    const auto size = ::recv(kControl, &question, sizeof question, MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size != sizeof question) return false;
    if (question.session != session_) {
      session_ = question.session;
      watching_ = false;
      if (registry_) registry_->forgetAll();
    }
    switch (question.ask) {
      case Ask::kHear: hear(question); break;
      case Ask::kDump: dump(question); break;
      case Ask::kResolve: tell(registry().resolve(question.nsid), true); break;
      case Ask::kForget: registry().forget(question.nsid); break;
      case Ask::kWatch: watch(); break;
    }
    return true;
  }

  void hear(const OpenerQuestion& question) {
    auto answer = answerOf(Tell::kHearing);
    int fd = -1;
    try {
      fd = openSocket();
      const auto hearing = prepareSocket(fd, false, question.receiveBufferBytes, question.kinds, true);
      answer.allNamespacesCode = hearing.allNamespacesCode;
      answer.refusedKinds = hearing.refusedKinds;
      answer.receiveBufferForced = hearing.receiveBufferForced ? 1 : 0;
      answer.nsid = hearing.allNamespacesCode == 0 ? registry().own() : -1;
    } catch (const SystemError& failure) {
      answer.code = failure.code;
    }
    pass(answer, fd);
  }

  /** From within the namespace where that is allowed, else from here, which takes links and addresses only. */
  void dump(const OpenerQuestion& question) {
    auto answer = answerOf(Tell::kDumpSocket);
    int fd = -1;
    answer.code = openWithin(question.nsid, fd);
    const bool within = answer.code == 0;
    if (answer.code == EPERM || answer.code == EACCES || answer.code == ENOENT) answer.code = openHere(fd);
    if (answer.code == 0) answer.code = requestDump(fd, question.part, question.sequence, within ? -1 : question.nsid);
    if (answer.code != 0 && fd >= 0) {
      ::close(fd);
      fd = -1;
    }
    pass(answer, fd);
  }

  int openWithin(int32_t nsid, int& fd) {
    if (!mayEnter_ || ownNetns_ < 0) return EPERM;
    const int netns = registry().open(nsid);
    if (netns < 0) return -netns;
    const int entered = ::setns(netns, CLONE_NEWNET) == 0 ? 0 : errno;
    ::close(netns);
    if (entered != 0) {
      mayEnter_ = entered != EPERM;
      return entered;
    }
    const int code = openHere(fd);
    // In the wrong namespace everything that follows would be wrong.
    if (::setns(ownNetns_, CLONE_NEWNET) != 0) ::_exit(1);
    return code;
  }

  static int openHere(int& fd) {
    try {
      fd = openSocket();
      return 0;
    } catch (const SystemError& failure) {
      return failure.code;
    }
  }

  void watch() {
    watching_ = true;
    registry().forgetAll();
    // What only processes are in is taken at the second look.
    lookAround();
    lookAround();
    pass(answerOf(Tell::kListed), -1);
  }

  void lookAround() {
    nextLook_ = Clock::now() + kLookAround;
    const auto changes = registry().scan();
    for (const int32_t nsid : changes.gone) {
      auto answer = answerOf(Tell::kGone);
      answer.nsid = nsid;
      pass(answer, -1);
    }
    for (const auto& netns : changes.news) {
      // Nobody reads just now: it is told at the next look.
      if (!tell(netns, false)) registry().forget(netns.nsid);
    }
  }

  bool tell(const Netns& netns, bool isAnswer) {
    auto answer = answerOf(Tell::kNetns);
    answer.nsid = netns.nsid;
    answer.answer = isAnswer ? 1 : 0;
    answer.pid = netns.pid;
    answer.inode = netns.inode;
    std::snprintf(answer.name, sizeof answer.name, "%s", netns.name.c_str());
    return sendAnswer(kControl, answer, -1) == 0;
  }

  OpenerAnswer answerOf(Tell tell) const {
    OpenerAnswer answer{};
    answer.tell = tell;
    answer.session = session_;
    return answer;
  }

  static void pass(const OpenerAnswer& answer, int fd) {
    sendAnswer(kControl, answer, fd);
    if (fd >= 0) ::close(fd);
  }

  NetnsRegistry& registry() {
    if (!registry_) registry_.emplace();
    return *registry_;
  }

  int ownNetns_;
  int mounts_;
  bool mayEnter_ = true;
  bool watching_ = false;
  uint32_t session_ = 0;
  Clock::time_point nextLook_;
  std::optional<NetnsRegistry> registry_;
};

}  // namespace
}  // namespace trotline

int main(int argc, char** argv) {
  const bool least = argc > 1 && std::string_view(argv[1]) == "--least";
  auto kept = trotline::capabilities({CAP_NET_ADMIN, CAP_NET_BROADCAST});
  if (!least) kept |= trotline::capabilities({CAP_SYS_ADMIN, CAP_SYS_PTRACE});
  if (const int code = trotline::keepCapabilities(kept)) {
    std::fprintf(stderr, "trotline-opener: capset: %s\n", std::strerror(code));
    return 1;
  }
  // The sidecar drains on these, and hears until its end.
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE}) ::signal(number, SIG_IGN);
  try {
    trotline::Opener().serve();
  } catch (const trotline::SystemError& failure) {
    std::fprintf(stderr, "trotline-opener: %s\n", failure.what());
    return 1;
  }
  return 0;
}
