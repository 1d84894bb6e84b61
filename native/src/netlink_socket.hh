#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "dump_run.hh"
#include "opener_link.hh"
#include "receive_buffers.hh"
#include "records.hh"
#include "socket_options.hh"

namespace trotline {

struct ReaderOptions {
  /** An open NETLINK_ROUTE socket, owned by the reader from then on, or -1. */
  int fd = -1;
  /** The line to an opener, which stays the caller's, or -1: then only the own namespace is heard. */
  int opener = -1;
  /** A bit for each `Kind` to hear. */
  uint32_t kinds = 0;
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
  Hearing hearing;
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
  /** Asks for all objects of a namespace, -1 for the own. Dumps run one after the other. */
  uint32_t dump(int32_t netns);
  /** Asks the kernel for an answer on the socket of the notifications, which comes as a record. */
  void echo();
  /** Asks for the list of all namespaces. */
  void list();
  ReaderStats stats() const;
  /** Joins the thread and closes the socket. Idempotent; not from the reader thread. */
  void close();

 private:
  struct DumpRequest {
    uint32_t id;
    int32_t netns;
  };

  void open(ReaderOptions& options);
  void start();
  void wake();

  // On the reader thread.
  void run();
  void work();
  void wait();
  void receive();
  bool resume(int code);
  void accept(int count);
  void acceptMessage(const ReceiveBuffers::Datagram& datagram, Record&& record);
  void acceptAnswer(const Record& answer);
  void advanceDump();
  bool nextDump();
  void settle();
  size_t room();
  void push();

  int fd_ = -1;
  int wakeFd_ = -1;
  uint32_t kinds_;
  size_t queueLimit_;
  std::function<void()> onReadable_;
  Hearing hearing_;
  uint32_t portId_ = 0;
  int receiveBufferBytes_ = 0;

  mutable std::mutex mutex_;
  std::deque<Record> queue_;
  std::deque<DumpRequest> dumpRequests_;
  uint32_t lastDump_ = 0;
  bool echoWanted_ = false;
  bool listWanted_ = false;
  bool full_ = false;

  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> received_{0};
  std::atomic<uint64_t> malformed_{0};
  std::atomic<uint64_t> ignored_{0};
  std::atomic<uint64_t> dropped_{0};

  // Of the reader thread alone, once it runs.
  std::optional<OpenerLink> opener_;
  ReceiveBuffers buffers_;
  std::vector<Record> parsed_;
  std::vector<Record> batch_;
  std::optional<DumpRun> dump_;
  /** Rows that wait until all notifications that may be older are read. */
  std::vector<Record> held_;
  uint32_t echoes_ = 0;
  uint32_t dropsSeen_ = 0;
  bool congested_ = false;
  bool recheck_ = false;
  bool unexplained_ = false;
  /** The errno that ended the reading. */
  int failure_ = 0;

  std::thread thread_;
};

}  // namespace trotline
