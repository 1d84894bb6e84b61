#pragma once

#include <cstddef>
#include <cstdint>

namespace trotline {

// What the reader asks of the opener, the process that has the capabilities, over a SOCK_SEQPACKET pair. Both are built
// together: the structs are the format.

enum class Ask : uint32_t {
  /** The socket of all notifications; the answer carries its descriptor. */
  kHear = 1,
  /** A socket on which one part of a dump of one namespace was asked for; the answer carries its descriptor. */
  kDump,
  /** What the namespace with this nsid is called. */
  kResolve,
  /** From now on the namespaces that exist, come and change their names are told, and given an nsid where they have none. */
  kWatch,
  /** The nsid is free: what it is called is forgotten. */
  kForget,
};

/** What a dump is made of, one after the other. */
enum class DumpPart : uint32_t {
  kLinks,
  kAddresses,
  kRoutes4,
  kRoutes6,
  kNeighbours,
  kProxies,
  kForwarding,
  kRules4,
  kRules6,
  kEnd,
};

struct OpenerQuestion {
  Ask ask;
  /** Of the reader's life: what was meant for an earlier one is thrown away. */
  uint32_t session;
  int32_t nsid;
  DumpPart part;
  /** nlmsg_seq of the request for a dump. */
  uint32_t sequence;
  int32_t receiveBufferBytes;
  /** A bit for each `Kind` to hear. */
  uint32_t kinds;
};

enum class Tell : uint32_t {
  kHearing = 1,
  kDumpSocket,
  /** A namespace: as the answer to `kResolve` (`answer` is 1), or because it was found or renamed. */
  kNetns,
  /** All namespaces that exist were told. */
  kListed,
  /** One that was told is not there any more: its nsid may be another's soon. */
  kGone,
};

struct OpenerAnswer {
  Tell tell;
  uint32_t session;
  /** 0, or the errno of what was asked. */
  int32_t code;
  /** Of `kHearing`: 0, or why other namespaces are not heard. */
  int32_t allNamespacesCode;
  /** Of `kHearing`: a bit for each `Kind` whose group was refused. */
  uint32_t refusedKinds;
  uint32_t receiveBufferForced;
  int32_t nsid;
  uint32_t answer;
  int32_t pid;
  uint32_t inode;
  /** Empty: not found. */
  char name[256];
};

/** 0, or an errno. `fd` is passed along unless it is negative. */
int sendAnswer(int socket, const OpenerAnswer& answer, int fd);

/** 0, or an errno; EPIPE when the opener is gone. `fd` becomes what was passed, or -1. Waits up to `timeoutMs` (-1: for ever). */
int receiveAnswer(int socket, OpenerAnswer& answer, int& fd, int timeoutMs);

}  // namespace trotline
