#include "netlink_socket.hh"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

namespace trotline {
namespace {

constexpr size_t kBatch = 32;
// The kernel's dump datagrams have at most 32 KiB; pages that are never written cost nothing.
constexpr size_t kSlotBytes = 64 * 1024;
// Long enough for a drop that was under way while the queue was seen empty.
constexpr int kRecheckMs = 10;
constexpr uint32_t kSkipStatistics = 1U << 3;

/** Signals belong to the threads of Node. */
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

/** What the kernel sets on a socket when it could not make or queue a message for it. */
bool isLoss(int code) { return code == ENOBUFS || code == ENOMEM || code == EMSGSIZE; }

}  // namespace

struct NetlinkSocket::Buffers {
  Buffers() : bytes(new uint8_t[kBatch * kSlotBytes]) {
    for (size_t index = 0; index < kBatch; ++index) {
      vectors[index] = {bytes.get() + index * kSlotBytes, kSlotBytes};
    }
  }

  int receive(int fd, size_t count) {
    for (size_t index = 0; index < count; ++index) {
      headers[index].msg_hdr = {};
      headers[index].msg_hdr.msg_name = &senders[index];
      headers[index].msg_hdr.msg_namelen = sizeof(sockaddr_nl);
      headers[index].msg_hdr.msg_iov = &vectors[index];
      headers[index].msg_hdr.msg_iovlen = 1;
    }
    return ::recvmmsg(fd, headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
  }

  std::unique_ptr<uint8_t[]> bytes;
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_nl, kBatch> senders{};
  std::array<mmsghdr, kBatch> headers{};
};

NetlinkSocket::NetlinkSocket(ReaderOptions options)
    : queueLimit_(std::max<size_t>(options.queueLimit, 1)), onReadable_(std::move(options.onReadable)) {
  const bool handedIn = options.fd >= 0;
  fd_ = handedIn ? options.fd : openSocket();
  try {
    state_ = prepareSocket(fd_, handedIn, options.receiveBufferBytes);
    wakeFd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wakeFd_ < 0) fail("eventfd");
    buffers_ = std::make_unique<Buffers>();
    start();
  } catch (...) {
    if (wakeFd_ >= 0) ::close(wakeFd_);
    if (!handedIn) ::close(fd_);
    throw;
  }
}

void NetlinkSocket::start() {
  const BlockedSignals blocked;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw SystemError("pthread_create", error.code().value());
  }
}

NetlinkSocket::~NetlinkSocket() { close(); }

void NetlinkSocket::take(size_t max, std::vector<Record>& records) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(max, queue_.size()));
  records.insert(records.end(), std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  if (full_ && queue_.size() <= queueLimit_ / 2) {
    full_ = false;
    wake();
  }
}

uint32_t NetlinkSocket::dump() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (++lastDump_ == 0) ++lastDump_;
  dumpRequests_.push_back(lastDump_);
  wake();
  return lastDump_;
}

ReaderStats NetlinkSocket::stats() const {
  ReaderStats stats;
  stats.received = received_;
  stats.malformed = malformed_;
  stats.ignored = ignored_;
  stats.dropped = dropped_;
  stats.receiveBufferBytes = state_.receiveBufferBytes;
  stats.receiveBufferForced = state_.receiveBufferForced;
  const std::lock_guard<std::mutex> lock(mutex_);
  stats.queued = queue_.size();
  return stats;
}

void NetlinkSocket::close() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
  ::close(wakeFd_);
  ::close(fd_);
  const std::lock_guard<std::mutex> lock(mutex_);
  queue_.clear();
}

void NetlinkSocket::wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread is awake.
  [[maybe_unused]] const auto written = ::write(wakeFd_, &one, sizeof one);
}

void NetlinkSocket::run() {
  pthread_setname_np(pthread_self(), "trotline-nl");
  while (!stopping_) {
    startDump();
    push();
    wait();
  }
}

void NetlinkSocket::wait() {
  std::array<pollfd, 2> polled{{{wakeFd_, POLLIN, 0}, {fd_, POLLIN, 0}}};
  // A pending error wakes poll whatever is asked for: a socket that must rest is left out.
  const bool listening = failure_ == 0 && room() > 0;
  const int ready = ::poll(polled.data(), listening ? 2 : 1, listening && recheck_ ? kRecheckMs : -1);
  if (ready == 0) {
    settle();
    if (unexplained_) batch_.emplace_back(Overflow{});
    unexplained_ = recheck_ = false;
    return;
  }
  if (polled[0].revents != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const auto size = ::read(wakeFd_, &count, sizeof count);
  }
  if (listening && polled[1].revents != 0) receive();
}

void NetlinkSocket::receive() {
  while (!stopping_) {
    startDump();
    const size_t free = room();
    if (free == 0 || failure_ != 0) return;
    // One at a time finds the very place of the gap: the kernel takes messages again when its queue was emptied.
    const int count = buffers_->receive(fd_, congested_ ? 1 : std::min(free, kBatch));
    if (count > 0) {
      accept(count);
      if (congested_ && socketMemory(fd_).value_or(SocketMemory{}).queued == 0) settle();
    } else if (!resume(errno)) {
      push();
      return;
    }
    push();
  }
}

/** Whether to read on after a refused read. */
bool NetlinkSocket::resume(int code) {
  if (code == EINTR) return true;
  if (isLoss(code)) {
    if (congested_) settle();
    congested_ = true;
    dumpInterrupted_ = activeDump_ != 0;
    return true;
  }
  if (code == EAGAIN) {
    if (congested_ || recheck_) settle();
    return false;
  }
  failure_ = code;
  if (activeDump_ != 0) finishDump(code);
  batch_.emplace_back(Failure{code});
  return false;
}

void NetlinkSocket::accept(int count) {
  for (int index = 0; index < count; ++index) {
    const auto& header = buffers_->headers[index];
    const auto& sender = buffers_->senders[index];
    if (sender.nl_pid != 0) {
      ++ignored_;
      continue;
    }
    if ((header.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      ++malformed_;
      continue;
    }
    parsed_.clear();
    const auto* bytes = static_cast<const uint8_t*>(buffers_->vectors[index].iov_base);
    const auto counts = parseDatagram(bytes, header.msg_len, parsed_);
    malformed_ += counts.malformed;
    ignored_ += counts.ignored;
    for (auto& message : parsed_) {
      if (auto* link = std::get_if<LinkMessage>(&message)) acceptLink(sender.nl_groups != 0, std::move(*link));
      if (const auto* end = std::get_if<RequestEnd>(&message)) acceptEnd(*end);
    }
  }
}

void NetlinkSocket::acceptLink(bool notification, LinkMessage&& message) {
  if (notification) {
    ++received_;
    batch_.emplace_back(std::move(message));
    return;
  }
  if (activeDump_ == 0 || message.messageSequence != activeDump_ || message.messagePid != state_.portId) {
    ++ignored_;
    return;
  }
  dumpInterrupted_ = dumpInterrupted_ || (message.messageFlags & NLM_F_DUMP_INTR) != 0;
  message.dump = activeDump_;
  batch_.emplace_back(std::move(message));
}

void NetlinkSocket::acceptEnd(const RequestEnd& end) {
  if (activeDump_ == 0 || end.messageSequence != activeDump_ || end.messagePid != state_.portId) {
    ++ignored_;
    return;
  }
  // The kernel had no room for the first rows, and goes on when there is some.
  if (end.messageType == NLMSG_ERROR && end.code == ENOBUFS) return;
  dumpInterrupted_ = dumpInterrupted_ || (end.messageFlags & NLM_F_DUMP_INTR) != 0;
  finishDump(end.code);
}

void NetlinkSocket::finishDump(int32_t code) {
  batch_.emplace_back(DumpDone{activeDump_, dumpInterrupted_, code});
  activeDump_ = 0;
  dumpInterrupted_ = false;
}

/** Waits for a queue that is half empty: the kernel refuses to begin a dump into a full one. */
void NetlinkSocket::startDump() {
  if (activeDump_ != 0 || congested_) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (dumpRequests_.empty()) return;
    const auto memory = socketMemory(fd_);
    if (memory && memory->queued > memory->limit / 2) return;
    activeDump_ = dumpRequests_.front();
    dumpRequests_.pop_front();
  }
  const int refused = failure_ != 0 ? failure_ : sendDump();
  if (refused != 0) finishDump(refused);
}

/** 0 or an errno. */
int NetlinkSocket::sendDump() {
  const RoomForDump room(fd_, state_.receiveBufferBytes);
  struct {
    nlmsghdr header;
    ifinfomsg link;
    rtattr attribute;
    uint32_t extensions;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = activeDump_;
  request.attribute = {RTA_LENGTH(sizeof(uint32_t)), IFLA_EXT_MASK};
  request.extensions = kSkipStatistics;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto sent = ::sendto(fd_, &request, sizeof request, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  return sent < 0 ? errno : 0;
}

/**
 * Puts the growth of the drop counter into the queue. While a socket is congested the kernel drops all it has for it, until
 * the queue is read empty: only then is the count complete. A drop under way at that moment is found by the recheck.
 */
void NetlinkSocket::settle() {
  const auto memory = socketMemory(fd_);
  const uint32_t drops = memory ? memory->drops : dropsSeen_;
  const uint32_t growth = drops - dropsSeen_;
  dropsSeen_ = drops;
  if (growth > 0) {
    dropped_ += growth;
    batch_.emplace_back(Overflow{growth});
    unexplained_ = false;
  } else if (congested_) {
    unexplained_ = true;
  }
  if (congested_) recheck_ = true;
  congested_ = false;
}

size_t NetlinkSocket::room() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (queue_.size() < queueLimit_) return queueLimit_ - queue_.size();
  full_ = true;
  return 0;
}

void NetlinkSocket::push() {
  if (batch_.empty()) return;
  bool first = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    first = queue_.empty();
    queue_.insert(queue_.end(), std::make_move_iterator(batch_.begin()), std::make_move_iterator(batch_.end()));
  }
  batch_.clear();
  if (first) onReadable_();
}

}  // namespace trotline
