#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "families.hh"

namespace trotline {
namespace {

// Newer than the oldest kernel headers this builds with.
constexpr uint16_t kProtocol = 12;
constexpr uint16_t kNexthopId = 13;
constexpr uint16_t kExtendedFlags = 15;

/** A tunnel's end point or a neighbour's address. */
bool readDestination(Bytes value, Record& record, size_t column) {
  if (value.size > 0) record.setText(column, addressText(value));
  return value.size <= 32;
}

constexpr AttributeRules<24> kNeighbourRules({
    {NDA_DST, neighbour_columns::destination, readDestination},
    {NDA_LLADDR, neighbour_columns::lladdr, readHardwareAddress},
    {NDA_PROBES, neighbour_columns::probes, readNumber<uint32_t>},
    {NDA_VLAN, neighbour_columns::vlan, readNumber<uint16_t>},
    {NDA_PORT, neighbour_columns::port, readPort},
    {NDA_VNI, neighbour_columns::vni, readNumber<uint32_t>},
    {NDA_MASTER, neighbour_columns::master, readNumber<uint32_t>},
    {kProtocol, neighbour_columns::protocol, readNumber<uint8_t>},
    {kNexthopId, neighbour_columns::nexthopId, readNumber<uint32_t>},
    {kExtendedFlags, neighbour_columns::extendedFlags, readNumber<uint32_t>},
});

}  // namespace

bool parseNeighbour(Bytes payload, Record& record) {
  if (payload.size < sizeof(ndmsg)) return false;
  const auto info = load<ndmsg>(payload.data);
  record.set(neighbour_columns::family, info.ndm_family);
  record.set(neighbour_columns::ifindex, info.ndm_ifindex);
  record.set(neighbour_columns::state, info.ndm_state);
  record.set(neighbour_columns::flags, info.ndm_flags);
  record.set(neighbour_columns::type, info.ndm_type);
  return kNeighbourRules.apply(attributesAfter<ndmsg>(payload), record);
}

}  // namespace trotline
