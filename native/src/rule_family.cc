#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <net/if.h>
#include <sys/socket.h>

#include "families.hh"

namespace trotline {
namespace {

// Newer than the oldest kernel headers this builds with.
constexpr uint16_t kDscp = 25;

template <size_t LengthColumn>
bool readPrefix(Bytes value, Record& record, size_t column) {
  if (value.size != 4 && value.size != 16) return false;
  record.setText(column, prefixText(value, static_cast<uint8_t>(record.number(LengthColumn))));
  return true;
}

/** `80`, or `1000-2000`. */
template <typename T>
bool readRange(Bytes value, Record& record, size_t column) {
  struct Range {
    T start;
    T end;
  };
  if (value.size < sizeof(Range)) return false;
  const auto range = load<Range>(value.data);
  std::string text = std::to_string(range.start);
  if (range.end != range.start) text.append("-").append(std::to_string(range.end));
  record.setText(column, text);
  return true;
}

bool readTunnelId(Bytes value, Record& record, size_t column) {
  if (value.size < sizeof(uint64_t)) return false;
  const uint64_t high = ntohl(load<uint32_t>(value.data));
  const uint64_t id = high << 32 | ntohl(load<uint32_t>(value.data + sizeof(uint32_t)));
  if (id != 0) record.setText(column, std::to_string(id));
  return true;
}

/** -1, which the kernel sends for "not set", is absent. */
bool readSuppression(Bytes value, Record& record, size_t column) {
  if (value.size < sizeof(int32_t)) return false;
  const auto number = load<int32_t>(value.data);
  if (number != -1) record.set(column, number);
  return true;
}

constexpr AttributeRules<32> kRuleRules({
    {FRA_DST, rule_columns::destination, readPrefix<rule_columns::destinationLength>},
    {FRA_SRC, rule_columns::source, readPrefix<rule_columns::sourceLength>},
    {FRA_IIFNAME, rule_columns::iifname, readText<IFNAMSIZ - 1>},
    {FRA_OIFNAME, rule_columns::oifname, readText<IFNAMSIZ - 1>},
    {FRA_GOTO, rule_columns::target, readNumber<uint32_t>},
    {FRA_PRIORITY, rule_columns::priority, readNumber<uint32_t>},
    {FRA_FWMARK, rule_columns::fwmark, readNumber<uint32_t>},
    {FRA_FWMASK, rule_columns::fwmask, readNumber<uint32_t>},
    {FRA_TABLE, rule_columns::table, readNumber<uint32_t>},
    {FRA_TUN_ID, rule_columns::tunnelId, readTunnelId},
    {FRA_SUPPRESS_PREFIXLEN, rule_columns::suppressPrefixLength, readSuppression},
    {FRA_SUPPRESS_IFGROUP, rule_columns::suppressGroup, readSuppression},
    {FRA_L3MDEV, rule_columns::l3mdev, readNumber<uint8_t>},
    {FRA_UID_RANGE, rule_columns::uidRange, readRange<uint32_t>},
    {FRA_PROTOCOL, rule_columns::protocol, readNumber<uint8_t>},
    {FRA_IP_PROTO, rule_columns::ipProtocol, readNumber<uint8_t>},
    {FRA_SPORT_RANGE, rule_columns::sourcePorts, readRange<uint16_t>},
    {FRA_DPORT_RANGE, rule_columns::destinationPorts, readRange<uint16_t>},
    {kDscp, rule_columns::dscp, readNumber<uint8_t>},
});

}  // namespace

bool parseRule(Bytes payload, Record& record, bool& heard) {
  if (payload.size < sizeof(fib_rule_hdr)) return false;
  const auto header = load<fib_rule_hdr>(payload.data);
  // The rules of multicast routing stand in no group that is joined, but in a dump of all families.
  heard = header.family == AF_INET || header.family == AF_INET6;
  if (!heard) return true;
  record.set(rule_columns::family, header.family);
  record.set(rule_columns::destinationLength, header.dst_len);
  record.set(rule_columns::sourceLength, header.src_len);
  record.set(rule_columns::tos, header.tos);
  record.set(rule_columns::table, header.table);
  record.set(rule_columns::action, header.action);
  record.set(rule_columns::flags, header.flags);
  // The kernel leaves out a priority of 0.
  record.set(rule_columns::priority, 0);
  return kRuleRules.apply(attributesAfter<fib_rule_hdr>(payload), record);
}

}  // namespace trotline
