/**
 * Feeds the parser good messages, every truncation of them and `parser-fuzz COUNT SEED` mutations, each in a heap block of
 * its exact size, so that a sanitizer sees a read beyond it. Prints one JSON line.
 */
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/nexthop.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "message_parser.hh"

namespace {

using Bytes = std::vector<uint8_t>;
namespace links = trotline::link_columns;
namespace routes = trotline::route_columns;

constexpr uint8_t kAddress4[4] = {10, 0, 0, 2};
constexpr uint8_t kAddress6[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

void append(Bytes& bytes, const void* data, size_t size) {
  const auto* from = static_cast<const uint8_t*>(data);
  bytes.insert(bytes.end(), from, from + size);
  while (bytes.size() % 4 != 0) bytes.push_back(0);
}

void attribute(Bytes& bytes, uint16_t type, const void* data, size_t size) {
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + size), type};
  append(bytes, &header, sizeof header);
  append(bytes, data, size);
}

void number(Bytes& bytes, uint16_t type, uint32_t value) { attribute(bytes, type, &value, sizeof value); }
void text(Bytes& bytes, uint16_t type, std::string_view value) {
  attribute(bytes, type, std::string(value).c_str(), value.size() + 1);
}

Bytes message(uint16_t type, uint16_t flags, const Bytes& payload) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + payload.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = 7;
  Bytes bytes;
  append(bytes, &header, sizeof header);
  append(bytes, payload.data(), payload.size());
  return bytes;
}

Bytes link(uint16_t type, std::string_view name) {
  ifinfomsg info{};
  info.ifi_index = 42;
  info.ifi_flags = 0x1003;
  Bytes payload;
  append(payload, &info, sizeof info);
  text(payload, IFLA_IFNAME, name);
  number(payload, IFLA_MTU, 1500);
  number(payload, IFLA_LINK, 41);
  number(payload, IFLA_LINK_NETNSID, 0xFFFFFFFF);
  text(payload, IFLA_QDISC, "noqueue");
  text(payload, IFLA_IFALIAS, std::string(200, 'a'));
  attribute(payload, IFLA_OPERSTATE, "\x06", 1);
  attribute(payload, IFLA_CARRIER, "\x01", 1);
  attribute(payload, IFLA_ADDRESS, "\x02\x00\x5e\x10\x00\xff", 6);
  Bytes info_;
  text(info_, IFLA_INFO_KIND, "veth");
  attribute(payload, IFLA_LINKINFO | NLA_F_NESTED, info_.data(), info_.size());
  return message(type, 0, payload);
}

Bytes address() {
  ifaddrmsg info{AF_INET6, 64, 0x80, 0, 3};
  const ifa_cacheinfo lifetimes{100, 200, 0, 0};
  Bytes payload;
  append(payload, &info, sizeof info);
  attribute(payload, IFA_ADDRESS, kAddress6, sizeof kAddress6);
  attribute(payload, IFA_CACHEINFO, &lifetimes, sizeof lifetimes);
  text(payload, IFA_LABEL, "veth0");
  number(payload, IFA_FLAGS, 0x100);
  return message(RTM_NEWADDR, 0, payload);
}

void nexthop(Bytes& into, uint8_t weight, int ifindex, uint16_t type, const void* gateway, size_t size) {
  Bytes attributes;
  attribute(attributes, type, gateway, size);
  rtnexthop hop{};
  hop.rtnh_len = static_cast<uint16_t>(sizeof hop + attributes.size());
  hop.rtnh_hops = weight;
  hop.rtnh_ifindex = ifindex;
  append(into, &hop, sizeof hop);
  append(into, attributes.data(), attributes.size());
}

Bytes route() {
  rtmsg info{};
  info.rtm_family = AF_INET;
  info.rtm_dst_len = 16;
  Bytes hops;
  nexthop(hops, 0, 3, RTA_GATEWAY, kAddress4, sizeof kAddress4);
  uint8_t via[2 + sizeof kAddress6] = {AF_INET6, 0};
  std::memcpy(via + 2, kAddress6, sizeof kAddress6);
  nexthop(hops, 4, 4, RTA_VIA, via, sizeof via);
  Bytes metrics;
  number(metrics, RTAX_MTU, 1400);
  const rta_cacheinfo cache{0, 0, 100};
  Bytes payload;
  append(payload, &info, sizeof info);
  attribute(payload, RTA_DST, "\x0a\x01\x00\x00", 4);
  attribute(payload, RTA_METRICS, metrics.data(), metrics.size());
  attribute(payload, RTA_MULTIPATH, hops.data(), hops.size());
  attribute(payload, RTA_CACHEINFO, &cache, sizeof cache);
  number(payload, RTA_TABLE, 1000);
  return message(RTM_NEWROUTE, 0, payload);
}

Bytes neighbour() {
  ndmsg info{};
  info.ndm_family = AF_INET;
  info.ndm_ifindex = 3;
  Bytes payload;
  append(payload, &info, sizeof info);
  attribute(payload, NDA_DST, kAddress4, sizeof kAddress4);
  attribute(payload, NDA_LLADDR, "\x02\x00\x5e\x10\x00\xff", 6);
  attribute(payload, NDA_PORT, "\x12\xb5", 2);
  return message(RTM_NEWNEIGH, 0, payload);
}

Bytes rule() {
  fib_rule_hdr info{};
  info.family = AF_INET;
  info.src_len = 8;
  Bytes payload;
  append(payload, &info, sizeof info);
  attribute(payload, FRA_SRC, kAddress4, sizeof kAddress4);
  text(payload, FRA_IIFNAME, "veth0");
  attribute(payload, FRA_UID_RANGE, "\x01\x00\x00\x00\x02\x00\x00\x00", 8);
  attribute(payload, FRA_SPORT_RANGE, "\x50\x00\x50\x00", 4);
  attribute(payload, FRA_TUN_ID, "\x00\x00\x00\x00\x00\x00\x00\x07", 8);
  number(payload, FRA_SUPPRESS_PREFIXLEN, 0xFFFFFFFF);
  return message(RTM_NEWRULE, 0, payload);
}

Bytes netns() {
  const rtgenmsg info{};
  Bytes payload;
  append(payload, &info, sizeof info);
  number(payload, NETNSA_NSID, 7);
  return message(RTM_NEWNSID, 0, payload);
}

Bytes nexthopGone() {
  const nhmsg info{};
  Bytes payload;
  append(payload, &info, sizeof info);
  return message(RTM_DELNEXTHOP, 0, payload);
}

Bytes end(uint16_t type, int32_t code) {
  Bytes payload;
  append(payload, &code, sizeof code);
  return message(type, NLM_F_MULTI, payload);
}

struct Totals {
  size_t messages = 0;
  size_t malformed = 0;
  size_t ignored = 0;
};

/** Every text that a record claims to have must be there. */
void readTexts(const trotline::Record& record) {
  uint32_t texts = trotline::textColumns(record.kind()) & record.number(trotline::kPresent);
  for (; texts != 0; texts &= texts - 1) {
    const std::string copy(record.text(trotline::kPayload + static_cast<size_t>(__builtin_ctz(texts))));
    if (copy.size() > 1U << 20) std::abort();
  }
}

trotline::ParseCounts feed(const Bytes& bytes, std::vector<trotline::Record>& messages, Totals& totals) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
  messages.clear();
  const auto counts = trotline::parseDatagram(exact.get(), bytes.size(), messages);
  for (const auto& record : messages) readTexts(record);
  totals.messages += messages.size();
  totals.malformed += counts.malformed;
  totals.ignored += counts.ignored;
  return counts;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "parser-fuzz: %s\n", what);
  std::exit(1);
}

void checkGood(Totals& totals) {
  std::vector<trotline::Record> messages;
  auto bytes = link(RTM_NEWLINK, "veth0");
  const auto second = link(RTM_DELLINK, "veth1");
  bytes.insert(bytes.end(), second.begin(), second.end());
  const auto counts = feed(bytes, messages, totals);
  require(counts.malformed == 0 && messages.size() == 2, "two good messages are read");
  const auto& first = messages[0];
  require(first.number(links::ifindex) == 42 && first.text(links::ifname) == "veth0", "basic attributes");
  require(first.number(links::mtu) == 1500 && first.number(links::operstate) == 6, "numbers");
  require(first.text(links::linkKind) == "veth" && first.cells[links::linkNetnsid] == -1, "nested and signed attributes");
  require(first.text(links::address) == "02:00:5e:10:00:ff" && !first.has(links::master), "address, absent attribute");
  feed(route(), messages, totals);
  const auto& way = messages.at(0);
  require(way.text(routes::destination) == "10.1.0.0/16" && way.text(routes::metrics) == "mtu 1400", "prefix, metrics");
  require(way.text(routes::nexthops) == "via 10.0.0.2 oif 3 weight 1, via fe80::1 oif 4 weight 5", "nexthops");
  require(feed(link(RTM_NEWLINK, "a-name-of-17-byte"), messages, totals).malformed == 1, "a name that is too long is refused");
  const auto failed = end(NLMSG_ERROR, -16);
  feed(failed, messages, totals);
  require(messages.at(0).cells[trotline::kCode] == 16, "the errno of a refusal");
}

void checkTruncated(const std::vector<Bytes>& seeds, Totals& totals) {
  std::vector<trotline::Record> messages;
  for (const auto& seed : seeds) {
    for (size_t size = 1; size < seed.size(); ++size) {
      const auto counts = feed(Bytes(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size)), messages, totals);
      require(counts.malformed == 1 && messages.empty(), "a truncated message is malformed");
    }
  }
}

void mutate(Bytes& bytes, std::mt19937& random) {
  const auto below = [&](size_t limit) { return static_cast<size_t>(random() % std::max<size_t>(limit, 1)); };
  for (size_t change = 0; change <= below(6); ++change) {
    if (bytes.empty()) return;
    const size_t at = below(bytes.size());
    switch (below(5)) {
      case 0: bytes[at] = static_cast<uint8_t>(random()); break;
      case 1: bytes[at] ^= static_cast<uint8_t>(1U << below(8)); break;
      case 2: bytes.resize(at); break;
      case 3: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), below(9), static_cast<uint8_t>(random())); break;
      // Lengths live at even places: the edges of 16 bits are what breaks a walk.
      default: {
        const uint16_t edge = std::array<uint16_t, 6>{0, 1, 3, 4, 0x7FFF, 0xFFFF}[below(6)];
        if (at / 2 * 2 + 2 <= bytes.size()) std::memcpy(&bytes[at / 2 * 2], &edge, sizeof edge);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100000;
  std::mt19937 random(argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 1);
  const std::vector<Bytes> seeds{link(RTM_NEWLINK, "veth0"), link(RTM_DELLINK, "$(id)"), address(), route(),
                                 neighbour(), rule(), netns(), nexthopGone(), end(NLMSG_DONE, 0),
                                 end(NLMSG_ERROR, -1)};
  Totals totals;
  checkGood(totals);
  checkTruncated(seeds, totals);
  std::vector<trotline::Record> messages;
  for (size_t run = 0; run < count; ++run) {
    Bytes bytes = seeds[random() % seeds.size()];
    if (random() % 3 == 0) {
      const auto& more = seeds[random() % seeds.size()];
      bytes.insert(bytes.end(), more.begin(), more.end());
    }
    mutate(bytes, random);
    feed(bytes, messages, totals);
  }
  std::printf("{\"runs\":%zu,\"messages\":%zu,\"malformed\":%zu,\"ignored\":%zu}\n", count, totals.messages, totals.malformed,
              totals.ignored);
  return 0;
}
