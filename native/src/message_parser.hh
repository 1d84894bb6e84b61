#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "records.hh"

namespace trotline {

/** What one datagram held, beside the records that were appended. */
struct ParseCounts {
  uint32_t malformed = 0;
  /** Well-formed messages of a type, or about an object, that nobody reads. */
  uint32_t ignored = 0;
};

/**
 * Appends a record for each message of one datagram: of links, addresses, routes, neighbours, rules and namespace ids, and
 * `kRequestEnd` for NLMSG_DONE and NLMSG_ERROR (`kCode` is then a positive errno, 0 for success). Any bytes are allowed: a
 * message that breaks the format is counted and skipped, and where a length makes the next message unfindable, the rest
 * counts as one.
 */
ParseCounts parseDatagram(const uint8_t* data, size_t size, std::vector<Record>& records);

}  // namespace trotline
