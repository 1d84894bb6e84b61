#pragma once

#include <cstdint>
#include <vector>

#include "opener_link.hh"
#include "receive_buffers.hh"
#include "records.hh"

namespace trotline {

/** One dump of one namespace: its parts one after the other, each on a socket of its own. */
class DumpRun {
 public:
  /** `opener` is null where there is none; then only the own namespace (-1) can be listed. */
  DumpRun(uint32_t id, int32_t netns, uint32_t kinds, OpenerLink* opener);
  ~DumpRun();
  DumpRun(const DumpRun&) = delete;
  DumpRun& operator=(const DumpRun&) = delete;

  /** Asks for the next part; false when there is none left. */
  bool begin();
  /** The socket of the part that was asked for, or -1 when it is at its end. */
  int fd() const { return fd_; }
  /** Appends rows that the kernel has ready, until some are there or the part is at its end. Never waits. */
  void read(ReceiveBuffers& buffers, std::vector<Record>& rows);
  /** Says how it ended. */
  Record done() const;

  uint64_t malformed() const { return malformed_; }

 private:
  int open(DumpPart part);
  void accept(Record&& record, std::vector<Record>& rows);
  void end();
  void fail(int code);

  uint32_t id_;
  int32_t netns_;
  uint32_t kinds_;
  OpenerLink* opener_;
  int fd_ = -1;
  uint32_t portId_ = 0;
  uint32_t next_ = 0;
  Kind kind_ = kLinkRecord;
  bool interrupted_ = false;
  uint32_t missing_ = 0;
  int code_ = 0;
  uint64_t malformed_ = 0;
  std::vector<Record> parsed_;
};

}  // namespace trotline
