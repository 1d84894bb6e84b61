#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "families.hh"

namespace trotline {
namespace {

// Newer than the oldest kernel headers this builds with.
constexpr uint16_t kNewNetnsid = 45;
constexpr uint16_t kCarrierUpCount = 47;
constexpr uint16_t kCarrierDownCount = 48;
constexpr uint16_t kNewIfindex = 49;
constexpr uint16_t kPropertyList = 52;
constexpr uint16_t kAlternativeName = 53;

constexpr size_t kLongestKind = 63;
constexpr size_t kLongestAlternativeName = 127;

bool readLinkInfo(Bytes area, Record& record, size_t) {
  return eachAttribute(area, [&](uint16_t type, Bytes value) {
    if (type == IFLA_INFO_KIND) return readText<kLongestKind>(value, record, link_columns::linkKind);
    if (type == IFLA_INFO_SLAVE_KIND) return readText<kLongestKind>(value, record, link_columns::slaveKind);
    return true;
  });
}

/** Commas between: no name can hold one that was given with ip, and a list is what people look for words in. */
bool readAlternativeNames(Bytes area, Record& record, size_t column) {
  std::string names;
  const bool whole = eachAttribute(area, [&](uint16_t type, Bytes value) {
    if (type != kAlternativeName) return true;
    const auto* end = std::find(value.data, value.data + value.size, uint8_t{0});
    const auto length = static_cast<size_t>(end - value.data);
    if (length > kLongestAlternativeName) return false;
    if (!names.empty()) names += ',';
    names.append(reinterpret_cast<const char*>(value.data), length);
    return true;
  });
  if (whole && !names.empty()) record.setText(column, names);
  return whole;
}

constexpr AttributeRules<64> kLinkRules({
    {IFLA_IFNAME, link_columns::ifname, readText<IFNAMSIZ - 1>},
    {IFLA_QDISC, link_columns::qdisc, readText<kLongestKind>},
    {IFLA_IFALIAS, link_columns::alias, readText<255>},
    {IFLA_ADDRESS, link_columns::address, readHardwareAddress},
    {IFLA_LINKINFO, link_columns::linkKind, readLinkInfo},
    {kPropertyList, link_columns::altnames, readAlternativeNames},
    {IFLA_MTU, link_columns::mtu, readNumber<uint32_t>},
    {IFLA_OPERSTATE, link_columns::operstate, readNumber<uint8_t>},
    {IFLA_CARRIER, link_columns::carrier, readNumber<uint8_t>},
    {IFLA_CARRIER_CHANGES, link_columns::carrierChanges, readNumber<uint32_t>},
    {kCarrierUpCount, link_columns::carrierUpCount, readNumber<uint32_t>},
    {kCarrierDownCount, link_columns::carrierDownCount, readNumber<uint32_t>},
    {IFLA_MASTER, link_columns::master, readNumber<uint32_t>},
    {IFLA_LINK, link_columns::link, readNumber<uint32_t>},
    {IFLA_TXQLEN, link_columns::txQueueLen, readNumber<uint32_t>},
    {IFLA_GROUP, link_columns::group, readNumber<uint32_t>},
    {IFLA_LINK_NETNSID, link_columns::linkNetnsid, readNumber<int32_t>},
    {kNewNetnsid, link_columns::newNetnsid, readNumber<int32_t>},
    {kNewIfindex, link_columns::newIfindex, readNumber<int32_t>},
    {IFLA_PROMISCUITY, link_columns::promiscuity, readNumber<uint32_t>},
});

}  // namespace

bool parseLink(Bytes payload, Record& record) {
  if (payload.size < sizeof(ifinfomsg)) return false;
  const auto info = load<ifinfomsg>(payload.data);
  record.set(link_columns::ifindex, info.ifi_index);
  record.set(link_columns::family, info.ifi_family);
  record.set(link_columns::deviceType, info.ifi_type);
  record.set(link_columns::flags, info.ifi_flags);
  record.set(link_columns::change, info.ifi_change);
  return kLinkRules.apply(attributesAfter<ifinfomsg>(payload), record);
}

}  // namespace trotline
