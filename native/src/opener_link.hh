#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "opener_protocol.hh"
#include "records.hh"
#include "socket_options.hh"

namespace trotline {

/**
 * The reader's end of the line to the opener. It knows which namespaces were told, so that each is told once, and before
 * anything that is heard from it. All but the constructor and `hear` belong to the reader thread.
 */
class OpenerLink {
 public:
  /** `socket` stays the caller's. */
  explicit OpenerLink(int socket);

  struct Heard {
    int fd = -1;
    Hearing hearing;
  };
  /** The socket of all notifications. Throws `SystemError`. */
  Heard hear(int receiveBufferBytes, uint32_t kinds);
  /** Whether other namespaces than the own are heard. */
  bool hearsAll() const { return hearsAll_; }

  int socket() const { return socket_; }
  /** The errno that ended the line, or 0. */
  int broken() const { return broken_; }

  /** 0 with a socket on which `part` was asked for, or an errno: EPERM, EOPNOTSUPP where this part cannot be listed. */
  int dump(int32_t nsid, DumpPart part, uint32_t sequence, int& fd);

  /** Asks for the list of all; what is told goes through `take`, and what is not on it is then gone. */
  void list();

  /** The nsid as records have it: -1 for the own namespace. `records` gets what it is called, when that is news. */
  int32_t meet(int32_t nsid, std::vector<Record>& records);
  /** A notification of the kernel about an nsid. */
  void noticed(Record&& record, std::vector<Record>& records);
  /** What the opener has told; never waits. */
  void take(std::vector<Record>& records);

 private:
  OpenerQuestion question(Ask ask, int32_t nsid = -1) const;
  bool send(const OpenerQuestion& question);
  bool await(Tell tell, OpenerAnswer& answer, int& fd);
  void told(const OpenerAnswer& answer, std::vector<Record>& records);
  void resolve(int32_t nsid, std::vector<Record>& records);
  void listed(std::vector<Record>& records);

  int socket_;
  uint32_t session_;
  int32_t own_ = -1;
  bool hearsAll_ = false;
  int broken_ = 0;
  struct Name {
    std::string text;
    uint32_t inode;
  };
  std::unordered_map<int32_t, Name> known_;
  /** On the list that is being told. */
  std::unordered_set<int32_t> onList_;
  bool listing_ = false;
  /** Asked for while one was told. */
  bool listAgain_ = false;
  /** Told while an answer was waited for. */
  std::vector<OpenerAnswer> early_;
};

}  // namespace trotline
