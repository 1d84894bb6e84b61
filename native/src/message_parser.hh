#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace trotline {

/** A hardware address as the kernel gives it; the text is made where it is needed. */
struct HardwareAddress {
  uint8_t length = 0;
  std::array<uint8_t, 32> bytes{};
};

/** RTM_NEWLINK or RTM_DELLINK. Strings are bytes, not necessarily UTF-8. */
struct LinkMessage {
  uint16_t messageType = 0;
  uint16_t messageFlags = 0;
  uint32_t messageSequence = 0;
  uint32_t messagePid = 0;
  /** Set by the socket: the dump that this message is a row of, 0 for a notification. */
  uint32_t dump = 0;

  int32_t ifindex = 0;
  uint8_t family = 0;
  uint16_t deviceType = 0;
  uint32_t flags = 0;
  uint32_t change = 0;

  std::optional<uint32_t> mtu;
  std::optional<uint8_t> operstate;
  std::optional<uint8_t> carrier;
  std::optional<uint32_t> carrierChanges;
  std::optional<uint32_t> carrierUpCount;
  std::optional<uint32_t> carrierDownCount;
  std::optional<uint32_t> master;
  std::optional<uint32_t> link;
  std::optional<uint32_t> txQueueLen;
  std::optional<uint32_t> group;
  std::optional<int32_t> linkNetnsid;

  std::optional<std::string> ifname;
  std::optional<std::string> qdisc;
  std::optional<std::string> linkKind;
  std::optional<std::string> alias;
  std::optional<HardwareAddress> address;
};

/** NLMSG_DONE, or NLMSG_ERROR as the answer to a request. `code` is a positive errno, 0 for success. */
struct RequestEnd {
  uint16_t messageType = 0;
  uint16_t messageFlags = 0;
  uint32_t messageSequence = 0;
  uint32_t messagePid = 0;
  int32_t code = 0;
};

using Message = std::variant<LinkMessage, RequestEnd>;

/** What one datagram held, beside the messages that were appended. */
struct ParseCounts {
  uint32_t malformed = 0;
  /** Well-formed messages of a type that nobody reads yet. */
  uint32_t ignored = 0;
};

/**
 * Appends the messages of one datagram to `messages`. Any bytes are allowed: a message that breaks the format is counted and
 * skipped, and where a length makes the next message unfindable, the rest counts as one.
 */
ParseCounts parseDatagram(const uint8_t* data, size_t size, std::vector<Message>& messages);

}  // namespace trotline
