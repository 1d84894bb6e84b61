#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>

#include "opener_protocol.hh"

namespace trotline {

/** A failed system call. */
struct SystemError : std::runtime_error {
  SystemError(const char* call, int code);
  const char* syscall;
  int code;
};

/** Throws `SystemError` with the errno of now. */
[[noreturn]] void fail(const char* call);

/** A NETLINK_ROUTE socket in the caller's network namespace. */
int openSocket();

/** What a socket hears, and what the kernel refused it. */
struct Hearing {
  bool receiveBufferForced = false;
  /** A bit for each `Kind` whose group was refused. */
  uint32_t refusedKinds = 0;
  /** 0, or why only the socket's own namespace is heard. */
  int allNamespacesCode = 0;
};

/**
 * Sets the options of a new socket, or of one `handedIn`, binds it and joins the groups of `kinds` (a bit for each). With
 * `allNamespaces` it also hears the namespaces that have an nsid here, which takes CAP_NET_BROADCAST and CAP_NET_ADMIN.
 */
Hearing prepareSocket(int fd, bool handedIn, int receiveBufferBytes, uint32_t kinds, bool allNamespaces);

uint32_t portId(int fd);
/** What the kernel counts against, overhead included. */
int receiveBufferBytes(int fd);

/** Asks for one part of a dump; of the namespace `target` where that is not -1. 0, or an errno: EPERM where it cannot be asked for so. */
int requestDump(int fd, DumpPart part, uint32_t sequence, int32_t target);

/** The kernel answers this message, which asks for nothing, with an acknowledgement. 0, or an errno. */
int requestEcho(int fd, uint32_t sequence);

struct SocketMemory {
  uint32_t queued = 0;
  uint32_t limit = 0;
  uint32_t drops = 0;
};

/** What the kernel holds and has dropped for the socket; a very old one does not tell. */
std::optional<SocketMemory> socketMemory(int fd);

}  // namespace trotline
