/**
 * Changes the MTU of a link of the current network namespace `count` times, as fast as the kernel takes it or so many a second, for
 * benches and tests: `link-producer INTERFACE COUNT [BATCH [PER_SECOND]]`. Prints one JSON line.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

struct Change {
  nlmsghdr header;
  ifinfomsg link;
  rtattr attribute;
  uint32_t mtu;
};

[[noreturn]] void fail(const char* call, int code) {
  std::fprintf(stderr, "link-producer: %s: %s\n", call, std::strerror(code));
  std::exit(1);
}

Change change(int ifindex) {
  Change message{};
  message.header.nlmsg_len = sizeof message;
  message.header.nlmsg_type = RTM_NEWLINK;
  message.header.nlmsg_flags = NLM_F_REQUEST;
  message.link.ifi_index = ifindex;
  message.attribute = {RTA_LENGTH(sizeof(uint32_t)), IFLA_MTU};
  return message;
}

/** Reads answers until the one to `sequence`; a refusal of any message ends the program. */
void awaitAck(int fd, uint32_t sequence) {
  alignas(nlmsghdr) char buffer[8192];
  for (;;) {
    const auto size = ::recv(fd, buffer, sizeof buffer, 0);
    if (size < 0) fail("recv", errno);
    auto left = static_cast<unsigned>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type != NLMSG_ERROR) continue;
      const int code = *static_cast<int*>(NLMSG_DATA(header));
      if (code != 0) fail("RTM_NEWLINK", -code);
      if (header->nlmsg_seq == sequence) return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: link-producer INTERFACE COUNT [BATCH [PER_SECOND]]\n");
    return 2;
  }
  const int ifindex = static_cast<int>(::if_nametoindex(argv[1]));
  if (ifindex == 0) fail(argv[1], errno);
  const uint64_t count = std::strtoull(argv[2], nullptr, 10);
  const uint64_t batch = std::max<uint64_t>(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 250, 1);
  const double perSecond = argc > 4 ? std::strtod(argv[4], nullptr) : 0;
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) fail("socket", errno);

  std::vector<Change> messages(batch, change(ifindex));
  uint64_t sent = 0;
  uint64_t acked = 0;
  const auto start = std::chrono::steady_clock::now();
  while (sent < count) {
    const auto size = std::min(batch, count - sent);
    for (uint64_t index = 0; index < size; ++index) {
      auto& message = messages[index];
      message.mtu = (sent + index) % 2 == 0 ? 1400 : 1401;
      message.header.nlmsg_seq = static_cast<uint32_t>(sent + index + 1);
      message.header.nlmsg_flags = NLM_F_REQUEST | (index + 1 == size ? NLM_F_ACK : 0);
    }
    if (::send(fd, messages.data(), size * sizeof(Change), 0) < 0) fail("send", errno);
    awaitAck(fd, static_cast<uint32_t>(sent + size));
    sent += size;
    acked += 1;
    if (perSecond > 0) std::this_thread::sleep_until(start + std::chrono::duration<double>(static_cast<double>(sent) / perSecond));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("{\"sent\":%llu,\"acked\":%llu,\"seconds\":%.6f}\n", static_cast<unsigned long long>(sent),
              static_cast<unsigned long long>(acked), seconds.count());
  return 0;
}
