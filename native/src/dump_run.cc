#include "dump_run.hh"

#include <linux/netlink.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "message_parser.hh"

namespace trotline {
namespace {

/** What the rows of each part are. */
constexpr std::array<Kind, static_cast<size_t>(DumpPart::kEnd)> kKinds{
    kLinkRecord,      kAddressRecord,   kRouteRecord, kRouteRecord, kNeighbourRecord,
    kNeighbourRecord, kNeighbourRecord, kRuleRecord,  kRuleRecord};

/** The kernel was built without it, or it is turned off: there is nothing to list. */
bool isAbsence(int code) { return code == EOPNOTSUPP || code == EAFNOSUPPORT; }

}  // namespace

DumpRun::DumpRun(uint32_t id, int32_t netns, uint32_t kinds, OpenerLink* opener)
    : id_(id), netns_(netns), kinds_(kinds), opener_(opener) {}

DumpRun::~DumpRun() { end(); }

bool DumpRun::begin() {
  while (code_ == 0 && next_ < kKinds.size()) {
    const auto part = static_cast<DumpPart>(next_);
    kind_ = kKinds[next_++];
    if ((kinds_ & 1U << kind_) == 0) continue;
    const int refused = open(part);
    if (refused == 0) return true;
    fail(refused);
  }
  return false;
}

int DumpRun::open(DumpPart part) {
  if (netns_ >= 0) {
    const int refused = opener_ == nullptr ? EPERM : opener_->dump(netns_, part, id_, fd_);
    if (refused != 0) return refused;
    portId_ = portId(fd_);
    return 0;
  }
  try {
    fd_ = openSocket();
    const int refused = requestDump(fd_, part, id_, -1);
    portId_ = portId(fd_);
    return refused;
  } catch (const SystemError& error) {
    return error.code;
  }
}

void DumpRun::read(ReceiveBuffers& buffers, std::vector<Record>& rows) {
  while (fd_ >= 0 && rows.empty()) {
    const int count = buffers.receive(fd_, ReceiveBuffers::kSlots);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      if (errno != EAGAIN) fail(errno);
      return;
    }
    for (int index = 0; index < count; ++index) {
      const auto datagram = buffers.datagram(index);
      if (!datagram.fromKernel || datagram.truncated) continue;
      parsed_.clear();
      malformed_ += parseDatagram(datagram.bytes, datagram.size, parsed_).malformed;
      for (auto& record : parsed_) accept(std::move(record), rows);
    }
  }
}

void DumpRun::accept(Record&& record, std::vector<Record>& rows) {
  const bool ours = record.kind() == kRequestEnd ? record.number(kDump) == id_ : record.number(kMessageSequence) == id_;
  if (fd_ < 0 || !ours || record.number(kMessagePid) != portId_) return;
  interrupted_ = interrupted_ || (record.number(kMessageFlags) & NLM_F_DUMP_INTR) != 0;
  if (record.kind() == kRequestEnd) {
    const int code = record.cells[kCode];
    if (code != 0) fail(code);
    end();
  } else if (record.kind() == kind_) {
    record.cells[kDump] = static_cast<int32_t>(id_);
    record.cells[kNetns] = netns_;
    rows.push_back(std::move(record));
  }
}

void DumpRun::fail(int code) {
  end();
  if (code == EPERM) missing_ |= 1U << kind_;
  else if (!isAbsence(code)) code_ = code;
}

void DumpRun::end() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Record DumpRun::done() const {
  Record record(kDumpDoneRecord);
  record.cells[kNetns] = netns_;
  record.cells[kDump] = static_cast<int32_t>(id_);
  record.cells[kInterrupted] = interrupted_ ? 1 : 0;
  record.cells[kCode] = code_;
  record.cells[kMissing] = static_cast<int32_t>(missing_);
  return record;
}

}  // namespace trotline
