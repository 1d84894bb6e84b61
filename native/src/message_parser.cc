#include "message_parser.hh"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

namespace trotline {
namespace {

// Newer than the oldest kernel headers this builds with.
constexpr uint16_t kCarrierUpCount = 47;
constexpr uint16_t kCarrierDownCount = 48;

struct Bytes {
  const uint8_t* data;
  size_t size;
};

template <typename T>
T load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/** Walks the attributes of `area`; false when a length is wrong or `visit` refuses a value. */
template <typename Visit>
bool eachAttribute(Bytes area, Visit visit) {
  while (area.size > 0) {
    if (area.size < sizeof(nlattr)) return false;
    const auto header = load<nlattr>(area.data);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > area.size) return false;
    const uint16_t type = header.nla_type & NLA_TYPE_MASK;
    if (!visit(type, Bytes{area.data + NLA_HDRLEN, size_t{header.nla_len} - NLA_HDRLEN})) return false;
    const size_t step = std::min(size_t{NLA_ALIGN(header.nla_len)}, area.size);
    area = {area.data + step, area.size - step};
  }
  return true;
}

template <typename T>
bool number(Bytes value, std::optional<T>& into) {
  if (value.size < sizeof(T)) return false;
  into = load<T>(value.data);
  return true;
}

bool text(Bytes value, size_t limit, std::optional<std::string>& into) {
  const auto* end = std::find(value.data, value.data + value.size, uint8_t{0});
  const size_t length = static_cast<size_t>(end - value.data);
  if (length > limit) return false;
  into.emplace(reinterpret_cast<const char*>(value.data), length);
  return true;
}

bool hardwareAddress(Bytes value, std::optional<HardwareAddress>& into) {
  HardwareAddress address;
  if (value.size > address.bytes.size()) return false;
  // A device without an address has an empty attribute or none: both are absent.
  if (value.size == 0) return true;
  address.length = static_cast<uint8_t>(value.size);
  std::memcpy(address.bytes.data(), value.data, value.size);
  into = address;
  return true;
}

bool linkInfo(Bytes area, LinkMessage& message) {
  return eachAttribute(area, [&](uint16_t type, Bytes value) {
    return type == IFLA_INFO_KIND ? text(value, 63, message.linkKind) : true;
  });
}

bool linkAttribute(uint16_t type, Bytes value, LinkMessage& message) {
  switch (type) {
    case IFLA_IFNAME: return text(value, IFNAMSIZ - 1, message.ifname);
    case IFLA_QDISC: return text(value, 63, message.qdisc);
    case IFLA_IFALIAS: return text(value, 255, message.alias);
    case IFLA_ADDRESS: return hardwareAddress(value, message.address);
    case IFLA_LINKINFO: return linkInfo(value, message);
    case IFLA_MTU: return number(value, message.mtu);
    case IFLA_OPERSTATE: return number(value, message.operstate);
    case IFLA_CARRIER: return number(value, message.carrier);
    case IFLA_CARRIER_CHANGES: return number(value, message.carrierChanges);
    case kCarrierUpCount: return number(value, message.carrierUpCount);
    case kCarrierDownCount: return number(value, message.carrierDownCount);
    case IFLA_MASTER: return number(value, message.master);
    case IFLA_LINK: return number(value, message.link);
    case IFLA_TXQLEN: return number(value, message.txQueueLen);
    case IFLA_GROUP: return number(value, message.group);
    case IFLA_LINK_NETNSID: return number(value, message.linkNetnsid);
    default: return true;
  }
}

bool parseLink(const nlmsghdr& header, Bytes payload, std::vector<Message>& messages) {
  if (payload.size < sizeof(ifinfomsg)) return false;
  const auto info = load<ifinfomsg>(payload.data);
  LinkMessage message;
  message.messageType = header.nlmsg_type;
  message.messageFlags = header.nlmsg_flags;
  message.messageSequence = header.nlmsg_seq;
  message.messagePid = header.nlmsg_pid;
  message.ifindex = info.ifi_index;
  message.family = info.ifi_family;
  message.deviceType = info.ifi_type;
  message.flags = info.ifi_flags;
  message.change = info.ifi_change;

  const size_t start = std::min(size_t{NLMSG_ALIGN(sizeof(ifinfomsg))}, payload.size);
  const Bytes attributes{payload.data + start, payload.size - start};
  const auto visit = [&](uint16_t type, Bytes value) { return linkAttribute(type, value, message); };
  if (!eachAttribute(attributes, visit)) return false;
  messages.emplace_back(std::move(message));
  return true;
}

/** DONE and ERROR both begin with an int: 0 or a negative errno. */
bool parseEnd(const nlmsghdr& header, Bytes payload, std::vector<Message>& messages) {
  if (payload.size < sizeof(int32_t)) return false;
  const auto code = load<int32_t>(payload.data);
  if (code > 0 || code < -4095) return false;
  messages.emplace_back(RequestEnd{header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq, header.nlmsg_pid, -code});
  return true;
}

/** A further family is a case here and an alternative of `Message`. */
bool parseMessage(const nlmsghdr& header, Bytes payload, std::vector<Message>& messages, ParseCounts& counts) {
  switch (header.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: return parseLink(header, payload, messages);
    case NLMSG_DONE:
    case NLMSG_ERROR: return parseEnd(header, payload, messages);
    default: counts.ignored += 1; return true;
  }
}

}  // namespace

ParseCounts parseDatagram(const uint8_t* data, size_t size, std::vector<Message>& messages) {
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
    const Bytes payload{data + NLMSG_HDRLEN, size_t{header.nlmsg_len} - NLMSG_HDRLEN};
    if (!parseMessage(header, payload, messages, counts)) counts.malformed += 1;
    const size_t step = std::min((size_t{header.nlmsg_len} + NLMSG_ALIGNTO - 1) & ~size_t{NLMSG_ALIGNTO - 1}, size);
    data += step;
    size -= step;
  }
  return counts;
}

}  // namespace trotline
