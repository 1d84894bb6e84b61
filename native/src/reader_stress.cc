/**
 * Lives of two readers of one network namespace in which addresses come and go, each used by two threads at once, for
 * `reader-stress SECONDS [OPENER]`: opened, read, asked for dumps, echoes, lists and figures, and closed in the middle of it.
 * OPENER is the program; without it only the own namespace is heard. Built with a sanitizer. Prints one JSON line.
 */
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "netlink_socket.hh"

namespace {

using trotline::NetlinkSocket;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kAllKinds = 1U << trotline::kLinkRecord | 1U << trotline::kAddressRecord | 1U << trotline::kRouteRecord |
                               1U << trotline::kNeighbourRecord | 1U << trotline::kRuleRecord;

std::atomic<uint64_t> lives{0};
std::atomic<uint64_t> taken{0};
std::atomic<uint64_t> asked{0};

/** A line to an opener that ends with it, or -1. */
class Opener {
 public:
  explicit Opener(const char* program) {
    int ends[2];
    if (program == nullptr || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], 0);
      ::execl(program, program, nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    line_ = ends[0];
  }
  ~Opener() {
    if (line_ < 0) return;
    ::close(line_);
    ::waitpid(pid_, nullptr, 0);
  }
  Opener(const Opener&) = delete;
  Opener& operator=(const Opener&) = delete;
  int line() const { return line_; }

 private:
  pid_t pid_ = -1;
  int line_ = -1;
};

/** What the event loop does with a reader. */
void use(NetlinkSocket& reader, std::mt19937& random, Clock::time_point until) {
  std::vector<trotline::Record> records;
  while (Clock::now() < until) {
    records.clear();
    reader.take(random() % 512 + 1, records);
    taken += records.size();
    switch (random() % 64) {
      case 0: reader.dump(-1); asked += 1; break;
      case 1: reader.echo(); asked += 1; break;
      case 2: reader.list(); asked += 1; break;
      case 3: taken += reader.stats().queued >= 0 ? 0 : 1; break;
      default: std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
    }
  }
}

void live(const char* opener, unsigned seed, Clock::time_point end) {
  std::mt19937 random(seed);
  while (Clock::now() < end) {
    const Opener line(opener);
    std::atomic<uint64_t> wakeUps{0};
    trotline::ReaderOptions options;
    options.opener = line.line();
    options.kinds = kAllKinds;
    // Sometimes too small, so that messages are lost, and a queue that fills.
    options.receiveBufferBytes = random() % 2 == 0 ? 2048 : 1 << 20;
    options.queueLimit = random() % 2 == 0 ? 16 : 65'536;
    options.onReadable = [&wakeUps] { ++wakeUps; };
    NetlinkSocket reader(std::move(options));
    const auto until = Clock::now() + std::chrono::milliseconds(random() % 100 + 5);
    std::mt19937 other(random());
    std::thread beside([&] { use(reader, other, until); });
    use(reader, random, until);
    beside.join();
    reader.close();
    reader.close();
    lives += 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: reader-stress SECONDS [OPENER]\n"), 2;
  const auto end = Clock::now() + std::chrono::seconds(std::atoi(argv[1]));
  const char* opener = argc > 2 ? argv[2] : nullptr;
  // Changes without end, by a process that dies with its pipe.
  FILE* changes = ::popen("exec ip -batch - >/dev/null 2>&1", "w");
  if (changes == nullptr) return 1;
  ::signal(SIGPIPE, SIG_IGN);
  std::atomic<bool> over{false};
  std::thread producer([&] {
    for (unsigned number = 0; !over; ++number) {
      std::fprintf(changes, "addr add 10.9.%u.1/32 dev lo\naddr del 10.9.%u.1/32 dev lo\n", number % 250, number % 250);
      std::fflush(changes);
    }
  });
  std::thread second([&] { live(nullptr, 2, end); });
  live(opener, 1, end);
  second.join();
  over = true;
  producer.join();
  ::pclose(changes);
  std::printf("{\"lives\":%llu,\"taken\":%llu,\"asked\":%llu}\n", static_cast<unsigned long long>(lives),
              static_cast<unsigned long long>(taken), static_cast<unsigned long long>(asked));
  return lives > 0 && taken > 0 ? 0 : 1;
}
