#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

#include "families.hh"

namespace trotline {
namespace {

constexpr std::array<const char*, 18> kMetricNames{
    nullptr,   "lock",       "mtu",      "window",   "rtt",     "rttvar",   "ssthresh", "cwnd",     "advmss",
    "reordering", "hoplimit", "initcwnd", "features", "rto_min", "initrwnd", "quickack", "cc_algo", "fastopen_no_cookie"};
constexpr size_t kLongestAlgorithm = 15;

/** The length of the prefix is in the header, which is read first. */
bool readDestination(Bytes value, Record& record, size_t column) {
  if (value.size != 4 && value.size != 16) return false;
  record.setText(column, prefixText(value, static_cast<uint8_t>(record.number(route_columns::destinationLength))));
  return true;
}

bool readSource(Bytes value, Record& record, size_t column) {
  if (value.size != 4 && value.size != 16) return false;
  record.setText(column, prefixText(value, static_cast<uint8_t>(record.number(route_columns::sourceLength))));
  return true;
}

/** A gateway of the other family. */
bool viaAddress(Bytes value, std::string& text) {
  if (value.size < sizeof(rtvia)) return false;
  text = addressText({value.data + sizeof(rtvia), value.size - sizeof(rtvia)});
  return true;
}

bool readVia(Bytes value, Record& record, size_t column) {
  std::string text;
  if (!viaAddress(value, text)) return false;
  record.setText(column, text);
  return true;
}

bool readMetrics(Bytes area, Record& record, size_t column) {
  std::string text;
  const bool whole = eachAttribute(area, [&](uint16_t type, Bytes value) {
    if (type == 0 || type >= kMetricNames.size()) return true;
    if (!text.empty()) text += ',';
    text.append(kMetricNames[type]).append(" ");
    if (type == RTAX_CC_ALGO) {
      const auto* end = std::find(value.data, value.data + value.size, uint8_t{0});
      text.append(reinterpret_cast<const char*>(value.data), std::min(static_cast<size_t>(end - value.data), kLongestAlgorithm));
      return true;
    }
    if (value.size < sizeof(uint32_t)) return false;
    text += std::to_string(load<uint32_t>(value.data));
    return true;
  });
  if (whole && !text.empty()) record.setText(column, text);
  return whole;
}

/** One hop: `via 10.0.0.1 oif 3 weight 1`. */
bool nexthopText(const rtnexthop& hop, Bytes attributes, std::string& text) {
  std::string gateway;
  const bool whole = eachAttribute(attributes, [&](uint16_t type, Bytes value) {
    if (type == RTA_VIA) return viaAddress(value, gateway);
    if (type != RTA_GATEWAY) return true;
    if (value.size != 4 && value.size != 16) return false;
    gateway = addressText(value);
    return true;
  });
  if (!gateway.empty()) text.append("via ").append(gateway).append(" ");
  text.append("oif ").append(std::to_string(hop.rtnh_ifindex));
  text.append(" weight ").append(std::to_string(int{hop.rtnh_hops} + 1));
  return whole;
}

bool readNexthops(Bytes area, Record& record, size_t column) {
  std::string text;
  while (area.size > 0) {
    if (area.size < sizeof(rtnexthop)) return false;
    const auto hop = load<rtnexthop>(area.data);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > area.size) return false;
    if (!text.empty()) text += ", ";
    if (!nexthopText(hop, {area.data + sizeof hop, hop.rtnh_len - sizeof hop}, text)) return false;
    const size_t step = std::min(size_t{RTNH_ALIGN(hop.rtnh_len)}, area.size);
    area = {area.data + step, area.size - step};
  }
  if (!text.empty()) record.setText(column, text);
  return true;
}

/** Seconds; the kernel gives hundredths, and 0 for a route that stays. */
bool readExpiry(Bytes value, Record& record, size_t column) {
  if (value.size < sizeof(rta_cacheinfo)) return false;
  constexpr int32_t kUserHz = 100;
  const auto info = load<rta_cacheinfo>(value.data);
  if (info.rta_expires != 0) record.set(column, info.rta_expires / kUserHz);
  return true;
}

constexpr AttributeRules<32> kRouteRules({
    {RTA_DST, route_columns::destination, readDestination},
    {RTA_SRC, route_columns::source, readSource},
    {RTA_IIF, route_columns::iif, readNumber<uint32_t>},
    {RTA_OIF, route_columns::oif, readNumber<uint32_t>},
    {RTA_GATEWAY, route_columns::gateway, readIpAddress},
    {RTA_VIA, route_columns::gateway, readVia},
    {RTA_PRIORITY, route_columns::priority, readNumber<uint32_t>},
    {RTA_PREFSRC, route_columns::preferredSource, readIpAddress},
    {RTA_METRICS, route_columns::metrics, readMetrics},
    {RTA_MULTIPATH, route_columns::nexthops, readNexthops},
    {RTA_TABLE, route_columns::table, readNumber<uint32_t>},
    {RTA_CACHEINFO, route_columns::expires, readExpiry},
    {RTA_PREF, route_columns::preference, readNumber<uint8_t>},
    {RTA_ENCAP_TYPE, route_columns::encapsulation, readNumber<uint16_t>},
    {RTA_NH_ID, route_columns::nexthopId, readNumber<uint32_t>},
});

}  // namespace

std::string prefixText(Bytes address, uint8_t length) {
  std::string text = addressText(address);
  if (length < address.size * 8) text.append("/").append(std::to_string(length));
  return text;
}

bool parseRoute(Bytes payload, Record& record, bool& heard) {
  if (payload.size < sizeof(rtmsg)) return false;
  const auto info = load<rtmsg>(payload.data);
  // Multicast routes and MPLS come in the same groups' dumps, entries of the route cache in the dump of IPv6.
  heard = (info.rtm_family == AF_INET || info.rtm_family == AF_INET6) && (info.rtm_flags & RTM_F_CLONED) == 0;
  if (!heard) return true;
  record.set(route_columns::family, info.rtm_family);
  record.set(route_columns::destinationLength, info.rtm_dst_len);
  record.set(route_columns::sourceLength, info.rtm_src_len);
  record.set(route_columns::tos, info.rtm_tos);
  record.set(route_columns::table, info.rtm_table);
  record.set(route_columns::protocol, info.rtm_protocol);
  record.set(route_columns::scope, info.rtm_scope);
  record.set(route_columns::type, info.rtm_type);
  record.set(route_columns::flags, info.rtm_flags);
  return kRouteRules.apply(attributesAfter<rtmsg>(payload), record);
}

}  // namespace trotline
