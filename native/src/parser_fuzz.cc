/**
 * Feeds the parser good messages, every truncation of them and `parser-fuzz COUNT SEED` mutations, each in a heap block of
 * its exact size, so that a sanitizer sees a read beyond it. Prints one JSON line.
 */
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

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

trotline::ParseCounts feed(const Bytes& bytes, std::vector<trotline::Message>& messages, Totals& totals) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
  messages.clear();
  const auto counts = trotline::parseDatagram(exact.get(), bytes.size(), messages);
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
  std::vector<trotline::Message> messages;
  auto bytes = link(RTM_NEWLINK, "veth0");
  const auto second = link(RTM_DELLINK, "veth1");
  bytes.insert(bytes.end(), second.begin(), second.end());
  const auto counts = feed(bytes, messages, totals);
  require(counts.malformed == 0 && messages.size() == 2, "two good messages are read");
  const auto& first = std::get<trotline::LinkMessage>(messages[0]);
  require(first.ifindex == 42 && first.ifname == "veth0" && first.mtu == 1500U, "basic attributes");
  require(first.linkKind == "veth" && first.operstate == 6 && first.linkNetnsid == -1, "nested and signed attributes");
  require(first.address && first.address->length == 6 && !first.master, "address, absent attribute");
  require(feed(link(RTM_NEWLINK, "a-name-of-17-byte"), messages, totals).malformed == 1, "a name that is too long is refused");
  const auto failed = end(NLMSG_ERROR, -16);
  feed(failed, messages, totals);
  require(std::get<trotline::RequestEnd>(messages.at(0)).code == 16, "the errno of a refusal");
}

void checkTruncated(const std::vector<Bytes>& seeds, Totals& totals) {
  std::vector<trotline::Message> messages;
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
  const std::vector<Bytes> seeds{link(RTM_NEWLINK, "veth0"), link(RTM_DELLINK, "$(id)"), end(NLMSG_DONE, 0), end(NLMSG_ERROR, -1)};
  Totals totals;
  checkGood(totals);
  checkTruncated(seeds, totals);
  std::vector<trotline::Message> messages;
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
