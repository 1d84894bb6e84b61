#pragma once

#include "attributes.hh"

namespace trotline {

// One function for each family, from the payload after the netlink header to a record that has its header already. False
// when the bytes break the format, or when the message is of no object that is heard (then `heard` is false).
bool parseLink(Bytes payload, Record& record);
bool parseAddress(Bytes payload, Record& record);
bool parseRoute(Bytes payload, Record& record, bool& heard);
bool parseNeighbour(Bytes payload, Record& record);
bool parseRule(Bytes payload, Record& record, bool& heard);
bool parseNetns(Bytes payload, Record& record);

/** What stands behind the header `Header`, aligned as netlink aligns. */
template <typename Header>
Bytes attributesAfter(Bytes payload) {
  const size_t start = std::min(size_t{NLMSG_ALIGN(sizeof(Header))}, payload.size);
  return {payload.data + start, payload.size - start};
}

/** `10.0.0.0/8`, and the address alone where the length is that of the whole address, as ip writes it. */
std::string prefixText(Bytes address, uint8_t length);

}  // namespace trotline
