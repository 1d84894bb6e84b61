#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "message_parser.hh"
#include "socket_options.hh"

namespace trotline {

/** The kernel dropped `dropped` messages for this socket; 0 when it reported a loss that it did not count. */
struct Overflow {
  uint32_t dropped = 0;
};

struct DumpDone {
  uint32_t dump = 0;
  bool interrupted = false;
  /** 0 for success. */
  int32_t code = 0;
};

/** The socket cannot be read any more: nothing more is heard, and every later dump is refused. */
struct Failure {
  int32_t code = 0;
};

using Record = std::variant<LinkMessage, Overflow, DumpDone, Failure>;

struct ReaderOptions {
  /** An open NETLINK_ROUTE socket, owned by the reader from then on, or -1. */
  int fd = -1;
  int receiveBufferBytes = 0;
  size_t queueLimit = 0;
  /** Called on the reader thread, with the queue unlocked, when the queue stops being empty. Must not block. */
  std::function<void()> onReadable;
};

struct ReaderStats {
  uint64_t received = 0;
  uint64_t malformed = 0;
  uint64_t ignored = 0;
  uint64_t dropped = 0;
  uint64_t queued = 0;
  int receiveBufferBytes = 0;
  bool receiveBufferForced = false;
};

/**
 * The socket and its thread. Records stand in the order of the socket. When the queue is full the thread stops reading, so
 * that the kernel's buffer takes over and counts exactly what it drops.
 */
class NetlinkSocket {
 public:
  explicit NetlinkSocket(ReaderOptions options);
  ~NetlinkSocket();
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  /** Moves up to `max` records to the end of `records`. */
  void take(size_t max, std::vector<Record>& records);
  /** Asks for all links. Dumps run one after the other, as the kernel allows one at a time on a socket. */
  uint32_t dump();
  ReaderStats stats() const;
  /** Joins the thread and closes the socket. Idempotent; not from the reader thread. */
  void close();

 private:
  struct Buffers;

  void start();
  void wake();

  // On the reader thread.
  void run();
  void wait();
  void receive();
  bool resume(int code);
  void accept(int count);
  void acceptLink(bool notification, LinkMessage&& message);
  void acceptEnd(const RequestEnd& end);
  void startDump();
  int sendDump();
  void finishDump(int32_t code);
  void settle();
  size_t room();
  void push();

  int fd_ = -1;
  int wakeFd_ = -1;
  size_t queueLimit_;
  std::function<void()> onReadable_;
  SocketState state_;

  mutable std::mutex mutex_;
  std::deque<Record> queue_;
  std::deque<uint32_t> dumpRequests_;
  uint32_t lastDump_ = 0;
  bool full_ = false;

  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> received_{0};
  std::atomic<uint64_t> malformed_{0};
  std::atomic<uint64_t> ignored_{0};
  std::atomic<uint64_t> dropped_{0};

  // Of the reader thread alone.
  std::unique_ptr<Buffers> buffers_;
  std::vector<Message> parsed_;
  std::vector<Record> batch_;
  uint32_t activeDump_ = 0;
  bool dumpInterrupted_ = false;
  uint32_t dropsSeen_ = 0;
  bool congested_ = false;
  bool recheck_ = false;
  bool unexplained_ = false;
  /** The errno that ended the reading. */
  int failure_ = 0;

  std::thread thread_;
};

}  // namespace trotline
