#include "message_parser.hh"

#include <linux/net_namespace.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "families.hh"

namespace trotline {
namespace {

constexpr int32_t kLargestErrno = 4095;

/** DONE and ERROR both begin with an int: 0 or a negative errno. */
bool parseEnd(Bytes payload, Record& record) {
  if (payload.size < sizeof(int32_t)) return false;
  const auto code = load<int32_t>(payload.data);
  if (code > 0 || code < -kLargestErrno) return false;
  record.cells[kCode] = -code;
  return true;
}

/** `kRequestEnd` is what the kernel says about a request; `kFailureRecord` stands for a type that nobody reads. */
Kind kindOf(uint16_t type) {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: return kLinkRecord;
    case RTM_NEWADDR:
    case RTM_DELADDR: return kAddressRecord;
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return kRouteRecord;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: return kNeighbourRecord;
    case RTM_NEWRULE:
    case RTM_DELRULE: return kRuleRecord;
    case RTM_NEWNSID:
    case RTM_DELNSID: return kNetnsRecord;
    // One that comes or changes takes no route with it.
    case RTM_DELNEXTHOP: return kNexthopGoneRecord;
    case NLMSG_DONE:
    case NLMSG_ERROR: return kRequestEnd;
    default: return kFailureRecord;
  }
}

bool parsePayload(Bytes payload, Record& record, bool& heard) {
  switch (record.kind()) {
    case kLinkRecord: return parseLink(payload, record);
    case kAddressRecord: return parseAddress(payload, record);
    case kRouteRecord: return parseRoute(payload, record, heard);
    case kNeighbourRecord: return parseNeighbour(payload, record);
    case kRuleRecord: return parseRule(payload, record, heard);
    case kNetnsRecord: return parseNetns(payload, record);
    case kNexthopGoneRecord: return payload.size >= sizeof(nhmsg);
    case kRequestEnd: return parseEnd(payload, record);
    default: heard = false; return true;
  }
}

void parseMessage(const nlmsghdr& header, Bytes payload, std::vector<Record>& records, ParseCounts& counts) {
  auto& record = records.emplace_back(kindOf(header.nlmsg_type));
  record.cells[kMessageType] = header.nlmsg_type;
  record.cells[kMessageFlags] = header.nlmsg_flags;
  record.cells[kMessageSequence] = static_cast<int32_t>(header.nlmsg_seq);
  record.cells[kMessagePid] = static_cast<int32_t>(header.nlmsg_pid);
  // The end of a request has its code where the others have the sequence number.
  if (record.kind() == kRequestEnd) record.cells[kDump] = static_cast<int32_t>(header.nlmsg_seq);
  bool heard = true;
  const bool whole = parsePayload(payload, record, heard);
  if (!whole) counts.malformed += 1;
  if (!heard) counts.ignored += 1;
  if (!whole || !heard) records.pop_back();
}

}  // namespace

bool parseNetns(Bytes payload, Record& record) {
  if (payload.size < sizeof(rtgenmsg)) return false;
  record.set(netns_columns::change, record.cells[kMessageType] == RTM_DELNSID ? kNetnsGone : kNetnsFound);
  int32_t nsid = -1;
  const bool whole = eachAttribute(attributesAfter<rtgenmsg>(payload), [&](uint16_t type, Bytes value) {
    if (type != NETNSA_NSID) return true;
    if (value.size < sizeof nsid) return false;
    nsid = load<int32_t>(value.data);
    return true;
  });
  record.cells[kNetns] = nsid;
  return whole && nsid >= 0;
}

ParseCounts parseDatagram(const uint8_t* data, size_t size, std::vector<Record>& records) {
  ParseCounts counts;
  while (size > 0) {
    if (size < sizeof(nlmsghdr)) {
      counts.malformed += 1;
      break;
    }
    const auto header = load<nlmsghdr>(data);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > size) {
      counts.malformed += 1;
      break;
    }
    parseMessage(header, {data + NLMSG_HDRLEN, size_t{header.nlmsg_len} - NLMSG_HDRLEN}, records, counts);
    const size_t step = std::min((size_t{header.nlmsg_len} + NLMSG_ALIGNTO - 1) & ~size_t{NLMSG_ALIGNTO - 1}, size);
    data += step;
    size -= step;
  }
  return counts;
}

}  // namespace trotline
