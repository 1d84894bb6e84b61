#include "socket_options.hh"

#include <linux/capability.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <system_error>

#include "records.hh"

namespace trotline {
namespace {

constexpr uint32_t kSkipStatistics = 1U << 3;

struct Group {
  Kind kind;
  int group;
};

constexpr std::array<Group, 10> kGroups{{
    {kLinkRecord, RTNLGRP_LINK},
    {kAddressRecord, RTNLGRP_IPV4_IFADDR},
    {kAddressRecord, RTNLGRP_IPV6_IFADDR},
    {kRouteRecord, RTNLGRP_IPV4_ROUTE},
    {kRouteRecord, RTNLGRP_IPV6_ROUTE},
    {kNeighbourRecord, RTNLGRP_NEIGH},
    {kRuleRecord, RTNLGRP_IPV4_RULE},
    {kRuleRecord, RTNLGRP_IPV6_RULE},
    {kNetnsRecord, RTNLGRP_NSID},
    // Without it, on kernels before 5.3, there are no nexthop objects.
    {kNexthopGoneRecord, RTNLGRP_NEXTHOP},
}};

int integerOption(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, level, name, &value, &size) != 0) fail("getsockopt");
  return value;
}

void requireRoute(int fd) {
  const bool route = integerOption(fd, SOL_SOCKET, SO_DOMAIN) == AF_NETLINK &&
                     integerOption(fd, SOL_SOCKET, SO_PROTOCOL) == NETLINK_ROUTE;
  if (!route) throw SystemError("socket", EPROTOTYPE);
}

/** The kernel doubles `bytes`. */
bool setReceiveBuffer(int fd, int name, int bytes) { return ::setsockopt(fd, SOL_SOCKET, name, &bytes, sizeof bytes) == 0; }

/** Whether the size does not depend on net.core.rmem_max. */
bool sizeReceiveBuffer(int fd, bool handedIn, int bytes) {
  // An opener with capabilities has perhaps set more than this process may.
  if (handedIn && receiveBufferBytes(fd) / 2 >= bytes) return true;
  if (setReceiveBuffer(fd, SO_RCVBUFFORCE, bytes)) return true;
  if (!setReceiveBuffer(fd, SO_RCVBUF, bytes)) fail("setsockopt");
  return false;
}

void bindSocket(int fd) {
  if (portId(fd) != 0) return;
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&self), sizeof self) != 0) fail("bind");
}

bool setNetlinkOption(int fd, int option) {
  const int on = 1;
  return ::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on) == 0;
}

/** Without CAP_NET_BROADCAST the kernel takes the option, and hears no more for it. */
int hearAllNamespaces(int fd) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) != 0) return errno;
  constexpr uint32_t kNeeded = 1U << CAP_NET_ADMIN | 1U << CAP_NET_BROADCAST;
  if ((data[0].effective & kNeeded) != kNeeded) return EPERM;
  return setNetlinkOption(fd, NETLINK_LISTEN_ALL_NSID) ? 0 : errno;
}

struct Request {
  nlmsghdr header;
  // As large as the largest header of a family and one attribute.
  std::array<uint8_t, 64> payload;
};

void start(Request& request, uint16_t type, size_t headerSize, uint8_t family) {
  request.header.nlmsg_type = type;
  request.header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(NLMSG_ALIGN(headerSize)));
  request.payload[0] = family;
}

void addNumber(Request& request, uint16_t type, uint32_t value) {
  const size_t at = request.header.nlmsg_len - NLMSG_HDRLEN;
  const nlattr attribute{static_cast<uint16_t>(NLA_HDRLEN + sizeof value), type};
  std::memcpy(request.payload.data() + at, &attribute, sizeof attribute);
  std::memcpy(request.payload.data() + at + NLA_HDRLEN, &value, sizeof value);
  request.header.nlmsg_len += NLA_HDRLEN + sizeof value;
}

/** False where the kernel cannot be asked for this part of another namespace. */
bool fill(Request& request, DumpPart part, int32_t target) {
  const bool elsewhere = target >= 0;
  switch (part) {
    case DumpPart::kLinks:
      start(request, RTM_GETLINK, sizeof(ifinfomsg), AF_UNSPEC);
      addNumber(request, IFLA_EXT_MASK, kSkipStatistics);
      if (elsewhere) addNumber(request, IFLA_TARGET_NETNSID, static_cast<uint32_t>(target));
      return true;
    case DumpPart::kAddresses:
      start(request, RTM_GETADDR, sizeof(ifaddrmsg), AF_UNSPEC);
      if (elsewhere) addNumber(request, IFA_TARGET_NETNSID, static_cast<uint32_t>(target));
      return true;
    case DumpPart::kRoutes4: start(request, RTM_GETROUTE, sizeof(rtmsg), AF_INET); break;
    case DumpPart::kRoutes6: start(request, RTM_GETROUTE, sizeof(rtmsg), AF_INET6); break;
    case DumpPart::kNeighbours: start(request, RTM_GETNEIGH, sizeof(ndmsg), AF_UNSPEC); break;
    case DumpPart::kProxies: {
      start(request, RTM_GETNEIGH, sizeof(ndmsg), AF_UNSPEC);
      request.payload[offsetof(ndmsg, ndm_flags)] = NTF_PROXY;
      break;
    }
    case DumpPart::kForwarding: start(request, RTM_GETNEIGH, sizeof(ndmsg), AF_BRIDGE); break;
    // The header of a rule is as long as that of a route.
    case DumpPart::kRules4: start(request, RTM_GETRULE, sizeof(rtmsg), AF_INET); break;
    case DumpPart::kRules6: start(request, RTM_GETRULE, sizeof(rtmsg), AF_INET6); break;
    case DumpPart::kEnd: return false;
  }
  return !elsewhere;
}

int sendRequest(int fd, const Request& request) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto sent =
      ::sendto(fd, &request, request.header.nlmsg_len, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  return sent < 0 ? errno : 0;
}

}  // namespace

SystemError::SystemError(const char* call, int error)
    : std::runtime_error(std::string(call) + ": " + std::generic_category().message(error)), syscall(call), code(error) {}

void fail(const char* call) { throw SystemError(call, errno); }

int openSocket() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) fail("socket");
  return fd;
}

uint32_t portId(int fd) {
  sockaddr_nl self{};
  socklen_t size = sizeof self;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&self), &size) != 0) fail("getsockname");
  return self.nl_pid;
}

int receiveBufferBytes(int fd) { return integerOption(fd, SOL_SOCKET, SO_RCVBUF); }

Hearing prepareSocket(int fd, bool handedIn, int receiveBufferBytes, uint32_t kinds, bool allNamespaces) {
  if (handedIn) requireRoute(fd);
  Hearing hearing;
  hearing.receiveBufferForced = sizeReceiveBuffer(fd, handedIn, receiveBufferBytes);
  // An older kernel lacks it, and nothing depends on it but the length of an answer.
  setNetlinkOption(fd, NETLINK_CAP_ACK);
  bindSocket(fd);
  hearing.allNamespacesCode = allNamespaces ? hearAllNamespaces(fd) : 0;
  for (const auto& [kind, group] : kGroups) {
    if ((kinds & 1U << kind) == 0) continue;
    if (::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) hearing.refusedKinds |= 1U << kind;
  }
  return hearing;
}

int requestDump(int fd, DumpPart part, uint32_t sequence, int32_t target) {
  Request request{};
  if (!fill(request, part, target)) return EPERM;
  // Without it the kernel passes over what narrows a dump.
  setNetlinkOption(fd, NETLINK_GET_STRICT_CHK);
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = sequence;
  return sendRequest(fd, request);
}

int requestEcho(int fd, uint32_t sequence) {
  Request request{};
  request.header.nlmsg_len = NLMSG_LENGTH(0);
  request.header.nlmsg_type = NLMSG_NOOP;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.header.nlmsg_seq = sequence;
  return sendRequest(fd, request);
}

std::optional<SocketMemory> socketMemory(int fd) {
  std::array<uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size) != 0) return std::nullopt;
  return SocketMemory{values[SK_MEMINFO_RMEM_ALLOC], values[SK_MEMINFO_RCVBUF], values[SK_MEMINFO_DROPS]};
}

}  // namespace trotline
