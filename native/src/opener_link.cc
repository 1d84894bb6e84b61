#include "opener_link.hh"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace trotline {
namespace {

/** Longer than the longest look at all processes. */
constexpr int kPatienceMs = 5000;

Record netnsRecord(int32_t nsid, NetnsChange change) {
  Record record(kNetnsRecord);
  record.cells[kNetns] = nsid;
  record.set(netns_columns::change, change);
  return record;
}

Record netnsRecord(const OpenerAnswer& answer, NetnsChange change) {
  auto record = netnsRecord(answer.nsid, change);
  record.setText(netns_columns::name, answer.name);
  if (answer.pid != 0) record.set(netns_columns::pid, answer.pid);
  if (answer.inode != 0) record.set(netns_columns::inode, answer.inode);
  return record;
}

uint32_t nextSession() {
  static std::atomic<uint32_t> last{0};
  return ++last;
}

}  // namespace

OpenerLink::OpenerLink(int socket) : socket_(socket), session_(nextSession()) {}

OpenerLink::Heard OpenerLink::hear(int receiveBufferBytes, uint32_t kinds) {
  auto ask = question(Ask::kHear);
  ask.receiveBufferBytes = receiveBufferBytes;
  ask.kinds = kinds;
  OpenerAnswer answer{};
  Heard heard;
  if (!send(ask) || !await(Tell::kHearing, answer, heard.fd)) throw SystemError("opener", broken_);
  if (answer.code != 0 || heard.fd < 0) throw SystemError("opener", answer.code != 0 ? answer.code : EBADF);
  own_ = answer.nsid;
  hearsAll_ = answer.allNamespacesCode == 0;
  heard.hearing = {answer.receiveBufferForced != 0, answer.refusedKinds, answer.allNamespacesCode};
  return heard;
}

int OpenerLink::dump(int32_t nsid, DumpPart part, uint32_t sequence, int& fd) {
  auto ask = question(Ask::kDump, nsid);
  ask.part = part;
  ask.sequence = sequence;
  OpenerAnswer answer{};
  if (!send(ask) || !await(Tell::kDumpSocket, answer, fd)) return broken_;
  return answer.code;
}

void OpenerLink::list() {
  if (!hearsAll_) return;
  if (listing_) {
    listAgain_ = true;
    return;
  }
  onList_.clear();
  listing_ = send(question(Ask::kWatch));
}

int32_t OpenerLink::meet(int32_t nsid, std::vector<Record>& records) {
  if (nsid < 0 || nsid == own_) return -1;
  if (known_.count(nsid) == 0) take(records);
  if (known_.count(nsid) == 0) resolve(nsid, records);
  return nsid;
}

void OpenerLink::noticed(Record&& record, std::vector<Record>& records) {
  const int32_t nsid = record.cells[kNetns];
  if (nsid < 0 || nsid == own_) return;
  if (record.cells[static_cast<size_t>(netns_columns::change)] != kNetnsGone) {
    // Known or not: the number was given anew, perhaps to another namespace.
    resolve(nsid, records);
    return;
  }
  take(records);
  if (known_.erase(nsid) == 0) return;
  send(question(Ask::kForget, nsid));
  records.push_back(std::move(record));
}

void OpenerLink::take(std::vector<Record>& records) {
  for (const auto& answer : std::exchange(early_, {})) told(answer, records);
  while (broken_ == 0) {
    OpenerAnswer answer{};
    int fd = -1;
    const int code = receiveAnswer(socket_, answer, fd, 0);
    if (fd >= 0) ::close(fd);
    if (code == ETIMEDOUT || code == EAGAIN) return;
    if (code != 0) broken_ = code;
    else if (answer.session == session_) told(answer, records);
  }
}

OpenerQuestion OpenerLink::question(Ask ask, int32_t nsid) const {
  OpenerQuestion question{};
  question.ask = ask;
  question.session = session_;
  question.nsid = nsid;
  return question;
}

bool OpenerLink::send(const OpenerQuestion& question) {
  if (broken_ == 0 && ::send(socket_, &question, sizeof question, MSG_NOSIGNAL) < 0) broken_ = errno;
  return broken_ == 0;
}

/** What else is told meanwhile is kept for later. */
bool OpenerLink::await(Tell tell, OpenerAnswer& answer, int& fd) {
  while (broken_ == 0) {
    broken_ = receiveAnswer(socket_, answer, fd, kPatienceMs);
    if (broken_ != 0) break;
    const bool awaited = answer.session == session_ && answer.tell == tell && (tell != Tell::kNetns || answer.answer != 0);
    if (awaited) return true;
    if (fd >= 0) ::close(fd);
    fd = -1;
    if (answer.session == session_) early_.push_back(answer);
  }
  return false;
}

void OpenerLink::told(const OpenerAnswer& answer, std::vector<Record>& records) {
  if (answer.tell == Tell::kListed) listed(records);
  if (answer.tell == Tell::kGone && known_.erase(answer.nsid) != 0) records.push_back(netnsRecord(answer.nsid, kNetnsGone));
  if (answer.tell != Tell::kNetns) return;
  onList_.insert(answer.nsid);
  const auto [entry, isNew] = known_.try_emplace(answer.nsid);
  Name& name = entry->second;
  if (!isNew && name.text == answer.name && name.inode == answer.inode) return;
  name = {answer.name, answer.inode};
  records.push_back(netnsRecord(answer, isNew ? kNetnsFound : kNetnsNamed));
}

void OpenerLink::resolve(int32_t nsid, std::vector<Record>& records) {
  take(records);
  OpenerAnswer answer{};
  int fd = -1;
  if (send(question(Ask::kResolve, nsid)) && await(Tell::kNetns, answer, fd)) told(answer, records);
}

void OpenerLink::listed(std::vector<Record>& records) {
  if (!std::exchange(listing_, false)) return;
  for (auto nsid = known_.begin(); nsid != known_.end();) {
    if (onList_.count(nsid->first) != 0) {
      ++nsid;
      continue;
    }
    records.push_back(netnsRecord(nsid->first, kNetnsGone));
    nsid = known_.erase(nsid);
  }
  records.push_back(netnsRecord(-1, kNetnsListed));
  if (std::exchange(listAgain_, false)) list();
}

}  // namespace trotline
