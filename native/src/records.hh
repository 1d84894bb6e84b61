#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace trotline {

// What a record of each kind holds beside the header, in the order of its columns; `native/rows.ts` reads them by their place.
// `number` is 32 bits, signed or not as the field says; `text` is bytes, not necessarily UTF-8.
#define TROTLINE_LINK_COLUMNS(X)                                                                                          \
  X(ifindex, number) X(family, number) X(deviceType, number) X(flags, number) X(change, number) X(mtu, number)            \
  X(operstate, number) X(carrier, number) X(carrierChanges, number) X(carrierUpCount, number) X(carrierDownCount, number) \
  X(master, number) X(link, number) X(txQueueLen, number) X(group, number) X(linkNetnsid, number) X(newNetnsid, number)   \
  X(newIfindex, number) X(promiscuity, number) X(ifname, text) X(qdisc, text) X(linkKind, text) X(slaveKind, text)        \
  X(alias, text) X(address, text) X(altnames, text)

#define TROTLINE_ADDRESS_COLUMNS(X)                                                                                  \
  X(family, number) X(ifindex, number) X(prefixLength, number) X(scope, number) X(flags, number) X(valid, number)    \
  X(preferred, number) X(metric, number) X(protocol, number) X(address, text) X(local, text) X(broadcast, text)      \
  X(label, text)

#define TROTLINE_ROUTE_COLUMNS(X)                                                                                      \
  X(family, number) X(table, number) X(protocol, number) X(scope, number) X(type, number) X(tos, number)               \
  X(flags, number) X(destinationLength, number) X(sourceLength, number) X(oif, number) X(iif, number)                  \
  X(priority, number) X(nexthopId, number) X(preference, number) X(encapsulation, number) X(expires, number)           \
  X(destination, text) X(source, text) X(gateway, text) X(preferredSource, text) X(metrics, text) X(nexthops, text)

#define TROTLINE_NEIGHBOUR_COLUMNS(X)                                                                                  \
  X(family, number) X(ifindex, number) X(state, number) X(flags, number) X(type, number) X(extendedFlags, number)      \
  X(vlan, number) X(vni, number) X(port, number) X(master, number) X(probes, number) X(protocol, number)               \
  X(nexthopId, number) X(destination, text) X(lladdr, text)

#define TROTLINE_RULE_COLUMNS(X)                                                                                       \
  X(family, number) X(action, number) X(table, number) X(tos, number) X(flags, number) X(destinationLength, number)    \
  X(sourceLength, number) X(priority, number) X(fwmark, number) X(fwmask, number) X(target, number) X(l3mdev, number)  \
  X(suppressPrefixLength, number) X(suppressGroup, number) X(ipProtocol, number) X(protocol, number) X(dscp, number)   \
  X(destination, text) X(source, text) X(iifname, text) X(oifname, text) X(uidRange, text) X(sourcePorts, text)        \
  X(destinationPorts, text) X(tunnelId, text)

#define TROTLINE_NETNS_COLUMNS(X) X(change, number) X(pid, number) X(inode, number) X(name, text)

/** The header of every record. */
enum Column : size_t {
  kKind,
  /** A bit for each column of the payload that the message carried. */
  kPresent,
  /** The nsid, or -1 for the namespace of the reader. */
  kNetns,
  kMessageType,
  kMessageFlags,
  kMessageSequence,
  kMessagePid,
  /** The dump that this is a row or the end of, 0 for a notification. */
  kDump,
  kPayload,
};

// The records that are no messages reuse columns of the header.
constexpr size_t kDropped = kMessageType;
constexpr size_t kInterrupted = kMessageFlags;
constexpr size_t kCode = kMessageSequence;
/** Kinds that a dump could not list, a bit each. */
constexpr size_t kMissing = kMessagePid;

enum Kind : int32_t {
  kLinkRecord,
  kAddressRecord,
  kRouteRecord,
  kNeighbourRecord,
  kRuleRecord,
  kNetnsRecord,
  kOverflowRecord,
  kDumpDoneRecord,
  kEchoRecord,
  kNexthopGoneRecord,
  kFailureRecord,
  /** Never leaves the reader: the end of a request. */
  kRequestEnd,
};

constexpr size_t kPayloadColumns = 28;
constexpr size_t kColumns = kPayload + kPayloadColumns;

#define TROTLINE_COLUMN(name, type) name,
namespace link_columns { enum : size_t { before = kPayload - 1, TROTLINE_LINK_COLUMNS(TROTLINE_COLUMN) end }; }
namespace address_columns { enum : size_t { before = kPayload - 1, TROTLINE_ADDRESS_COLUMNS(TROTLINE_COLUMN) end }; }
namespace route_columns { enum : size_t { before = kPayload - 1, TROTLINE_ROUTE_COLUMNS(TROTLINE_COLUMN) end }; }
namespace neighbour_columns { enum : size_t { before = kPayload - 1, TROTLINE_NEIGHBOUR_COLUMNS(TROTLINE_COLUMN) end }; }
namespace rule_columns { enum : size_t { before = kPayload - 1, TROTLINE_RULE_COLUMNS(TROTLINE_COLUMN) end }; }
namespace netns_columns { enum : size_t { before = kPayload - 1, TROTLINE_NETNS_COLUMNS(TROTLINE_COLUMN) end }; }
#undef TROTLINE_COLUMN

static_assert(link_columns::end <= kColumns && address_columns::end <= kColumns && route_columns::end <= kColumns);
static_assert(neighbour_columns::end <= kColumns && rule_columns::end <= kColumns && netns_columns::end <= kColumns);
static_assert(kPayloadColumns <= 32, "a bit for each in kPresent");

/** What happened to a namespace. */
enum NetnsChange : int32_t { kNetnsFound, kNetnsNamed, kNetnsGone, kNetnsListed };

/** One row of integers and the texts that its text columns point into. */
struct Record {
  std::array<int32_t, kColumns> cells;
  /** Each text: its length in four bytes, then its bytes. */
  std::string texts;

  Record() = default;
  explicit Record(Kind kind) {
    for (size_t column = 0; column < kPayload; ++column) cells[column] = 0;
    cells[kKind] = kind;
    cells[kNetns] = -1;
  }

  Kind kind() const { return static_cast<Kind>(cells[kKind]); }
  bool has(size_t column) const { return (cells[kPresent] & (1 << (column - kPayload))) != 0; }
  uint32_t number(size_t column) const { return static_cast<uint32_t>(cells[column]); }

  template <typename T>
  void set(size_t column, T value) {
    cells[column] = static_cast<int32_t>(value);
    cells[kPresent] |= 1 << (column - kPayload);
  }

  void setText(size_t column, std::string_view text) {
    set(column, texts.size());
    const auto length = static_cast<uint32_t>(text.size());
    texts.append(reinterpret_cast<const char*>(&length), sizeof length);
    texts.append(text);
  }

  std::string_view text(size_t column) const {
    const auto at = static_cast<size_t>(number(column));
    uint32_t length = 0;
    std::memcpy(&length, texts.data() + at, sizeof length);
    return std::string_view(texts).substr(at + sizeof length, length);
  }
};

/** A bit for each payload column of `kind` that is text. */
constexpr uint32_t textColumns(Kind kind) {
  constexpr uint32_t number = 0;
  constexpr uint32_t text = 1;
  uint32_t mask = 0;
  uint32_t bit = 1;
#define TROTLINE_BIT(name, type) mask |= bit * type, bit <<= 1;
  switch (kind) {
    case kLinkRecord: TROTLINE_LINK_COLUMNS(TROTLINE_BIT) break;
    case kAddressRecord: TROTLINE_ADDRESS_COLUMNS(TROTLINE_BIT) break;
    case kRouteRecord: TROTLINE_ROUTE_COLUMNS(TROTLINE_BIT) break;
    case kNeighbourRecord: TROTLINE_NEIGHBOUR_COLUMNS(TROTLINE_BIT) break;
    case kRuleRecord: TROTLINE_RULE_COLUMNS(TROTLINE_BIT) break;
    case kNetnsRecord: TROTLINE_NETNS_COLUMNS(TROTLINE_BIT) break;
    default: break;
  }
#undef TROTLINE_BIT
  return mask;
}

}  // namespace trotline
