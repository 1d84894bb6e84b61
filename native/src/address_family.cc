#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "families.hh"

namespace trotline {
namespace {

// Newer than the oldest kernel headers this builds with.
constexpr uint16_t kRoutePriority = 9;
constexpr uint16_t kProtocol = 11;

bool readLifetimes(Bytes value, Record& record, size_t) {
  if (value.size < sizeof(ifa_cacheinfo)) return false;
  const auto info = load<ifa_cacheinfo>(value.data);
  record.set(address_columns::valid, info.ifa_valid);
  record.set(address_columns::preferred, info.ifa_prefered);
  return true;
}

constexpr AttributeRules<16> kAddressRules({
    {IFA_ADDRESS, address_columns::address, readIpAddress},
    {IFA_LOCAL, address_columns::local, readIpAddress},
    {IFA_BROADCAST, address_columns::broadcast, readIpAddress},
    {IFA_LABEL, address_columns::label, readText<IFNAMSIZ - 1>},
    {IFA_FLAGS, address_columns::flags, readNumber<uint32_t>},
    {IFA_CACHEINFO, address_columns::valid, readLifetimes},
    {kRoutePriority, address_columns::metric, readNumber<uint32_t>},
    {kProtocol, address_columns::protocol, readNumber<uint8_t>},
});

}  // namespace

bool parseAddress(Bytes payload, Record& record) {
  if (payload.size < sizeof(ifaddrmsg)) return false;
  const auto info = load<ifaddrmsg>(payload.data);
  record.set(address_columns::family, info.ifa_family);
  record.set(address_columns::ifindex, info.ifa_index);
  record.set(address_columns::prefixLength, info.ifa_prefixlen);
  record.set(address_columns::scope, info.ifa_scope);
  // The first eight bits; IFA_FLAGS has all of them.
  record.set(address_columns::flags, info.ifa_flags);
  return kAddressRules.apply(attributesAfter<ifaddrmsg>(payload), record);
}

}  // namespace trotline
