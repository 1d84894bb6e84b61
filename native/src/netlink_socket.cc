#include "netlink_socket.hh"

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

#include "message_parser.hh"

namespace trotline {
namespace {

// Long enough for a drop that was under way while the queue was seen empty.
constexpr int kRecheckMs = 10;

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

Record failureOf(int code) {
  Record record(kFailureRecord);
  record.cells[kCode] = code;
  return record;
}

/** The kernel removes the IPv4 routes of a nexthop object without a message. */
uint32_t withNexthops(uint32_t kinds) {
  return (kinds & 1U << kRouteRecord) == 0 ? kinds : kinds | 1U << kNexthopGoneRecord;
}

Record overflowOf(uint32_t dropped) {
  Record record(kOverflowRecord);
  record.cells[kDropped] = static_cast<int32_t>(dropped);
  return record;
}

}  // namespace

NetlinkSocket::NetlinkSocket(ReaderOptions options)
    : kinds_(withNexthops(options.kinds)), queueLimit_(std::max<size_t>(options.queueLimit, 1)), onReadable_(std::move(options.onReadable)) {
  try {
    open(options);
    wakeFd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wakeFd_ < 0) fail("eventfd");
    start();
  } catch (...) {
    if (wakeFd_ >= 0) ::close(wakeFd_);
    if (fd_ >= 0 && fd_ != options.fd) ::close(fd_);
    throw;
  }
}

void NetlinkSocket::open(ReaderOptions& options) {
  if (options.opener >= 0) {
    const uint32_t kinds = kinds_ | 1U << kNetnsRecord;
    const auto heard = opener_.emplace(options.opener).hear(options.receiveBufferBytes, kinds);
    fd_ = heard.fd;
    hearing_ = heard.hearing;
  } else {
    fd_ = options.fd >= 0 ? options.fd : openSocket();
    hearing_ = prepareSocket(fd_, options.fd >= 0, options.receiveBufferBytes, kinds_, false);
  }
  portId_ = portId(fd_);
  receiveBufferBytes_ = trotline::receiveBufferBytes(fd_);
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

uint32_t NetlinkSocket::dump(int32_t netns) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (++lastDump_ == 0) ++lastDump_;
  dumpRequests_.push_back({lastDump_, netns});
  wake();
  return lastDump_;
}

void NetlinkSocket::echo() {
  const std::lock_guard<std::mutex> lock(mutex_);
  echoWanted_ = true;
  wake();
}

void NetlinkSocket::list() {
  const std::lock_guard<std::mutex> lock(mutex_);
  listWanted_ = true;
  wake();
}

ReaderStats NetlinkSocket::stats() const {
  ReaderStats stats;
  stats.received = received_;
  stats.malformed = malformed_;
  stats.ignored = ignored_;
  stats.dropped = dropped_;
  stats.receiveBufferBytes = receiveBufferBytes_;
  stats.hearing = hearing_;
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
    work();
    push();
    wait();
  }
  dump_.reset();
}

/** What was asked for, and what the opener told. */
void NetlinkSocket::work() {
  bool echo = false;
  bool list = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::swap(echo, echoWanted_);
    std::swap(list, listWanted_);
  }
  if (echo && failure_ == 0) {
    const auto memory = socketMemory(fd_);
    // A socket with something to read needs no proof, and a full one would count the answer among the lost.
    if (memory && memory->queued > 0) batch_.emplace_back(kEchoRecord);
    else if (const int refused = requestEcho(fd_, ++echoes_)) batch_.push_back(failureOf(refused));
  }
  if (list && opener_) opener_->list();
  if (opener_ && opener_->broken() == 0) {
    opener_->take(batch_);
    if (opener_->broken() != 0) batch_.push_back(failureOf(opener_->broken()));
  }
  advanceDump();
}

void NetlinkSocket::wait() {
  // A pending error wakes poll whatever is asked for: a socket that must rest is left out, which a negative number does.
  const bool listening = failure_ == 0 && room() > 0;
  const bool dumping = listening && dump_ && held_.empty();
  const bool told = opener_ && opener_->broken() == 0;
  std::array<pollfd, 4> polled{{{wakeFd_, POLLIN, 0},
                                {listening ? fd_ : -1, POLLIN, 0},
                                {told ? opener_->socket() : -1, POLLIN, 0},
                                {dumping ? dump_->fd() : -1, POLLIN, 0}}};
  const bool holding = listening && !held_.empty();
  const int ready = ::poll(polled.data(), polled.size(), holding ? 0 : listening && recheck_ ? kRecheckMs : -1);
  if (ready == 0 && !holding) {
    settle();
    if (unexplained_) batch_.push_back(overflowOf(0));
    unexplained_ = recheck_ = false;
    return;
  }
  if (polled[0].revents != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const auto size = ::read(wakeFd_, &count, sizeof count);
  }
  if (polled[3].revents != 0) dump_->read(buffers_, held_);
  if (listening && (polled[1].revents != 0 || !held_.empty())) receive();
}

/** Until the kernel has no more. Rows of a dump come after all that was notified before they were listed. */
void NetlinkSocket::receive() {
  while (!stopping_) {
    const size_t free = room();
    if (free == 0 || failure_ != 0) return;
    // One at a time finds the very place of the gap: the kernel takes messages again when its queue was emptied.
    const int count = buffers_.receive(fd_, congested_ ? 1 : std::min(free, ReceiveBuffers::kSlots));
    if (count > 0) {
      accept(count);
      if (congested_ && socketMemory(fd_).value_or(SocketMemory{}).queued == 0) settle();
    } else if (!resume(errno)) {
      std::move(held_.begin(), held_.end(), std::back_inserter(batch_));
      held_.clear();
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
    return true;
  }
  if (code == EAGAIN) {
    if (congested_ || recheck_) settle();
    return false;
  }
  failure_ = code;
  batch_.push_back(failureOf(code));
  return false;
}

void NetlinkSocket::accept(int count) {
  for (int index = 0; index < count; ++index) {
    const auto datagram = buffers_.datagram(index);
    if (!datagram.fromKernel) {
      ++ignored_;
      continue;
    }
    if (datagram.truncated) {
      ++malformed_;
      continue;
    }
    parsed_.clear();
    const auto counts = parseDatagram(datagram.bytes, datagram.size, parsed_);
    malformed_ += counts.malformed;
    ignored_ += counts.ignored;
    for (auto& record : parsed_) acceptMessage(datagram, std::move(record));
  }
}

void NetlinkSocket::acceptMessage(const ReceiveBuffers::Datagram& datagram, Record&& record) {
  if (record.kind() == kRequestEnd) return acceptAnswer(record);
  if (!datagram.isNotification) {
    ++ignored_;
    return;
  }
  const int32_t netns = opener_ ? opener_->meet(datagram.nsid, batch_) : -1;
  if (record.kind() == kNetnsRecord) {
    // What another namespace calls its neighbours is its own affair.
    if (opener_ && netns == -1) opener_->noticed(std::move(record), batch_);
    return;
  }
  ++received_;
  record.cells[kNetns] = netns;
  batch_.push_back(std::move(record));
}

/** The only answers on this socket are those to an echo. */
void NetlinkSocket::acceptAnswer(const Record& answer) {
  if (answer.number(kDump) == echoes_ && answer.number(kMessagePid) == portId_) batch_.emplace_back(kEchoRecord);
  else ++ignored_;
}

void NetlinkSocket::advanceDump() {
  while (held_.empty() && (dump_ || nextDump())) {
    if (dump_->fd() >= 0) return;
    if (dump_->begin()) return;
    malformed_ += dump_->malformed();
    batch_.push_back(dump_->done());
    dump_.reset();
  }
}

bool NetlinkSocket::nextDump() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (dumpRequests_.empty()) return false;
  const auto [id, netns] = dumpRequests_.front();
  dumpRequests_.pop_front();
  dump_.emplace(id, netns, kinds_ & ~hearing_.refusedKinds, opener_ ? &*opener_ : nullptr);
  return true;
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
    batch_.push_back(overflowOf(growth));
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
