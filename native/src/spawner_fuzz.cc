/**
 * Feeds the reader of spawn frames good ones, every truncation of one and `spawner-fuzz COUNT SEED` mutations, each in a heap
 * block of its exact size, so that a sanitizer sees a read beyond it, and reads all that it gives. Prints one JSON line.
 */
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "spawner_protocol.hh"

namespace {

using trotline::spawner::Bytes;
using trotline::spawner::SpawnRequest;
using Body = std::vector<uint8_t>;

void number(Body& body, uint32_t value) {
  uint8_t bytes[4];
  trotline::spawner::storeU32(bytes, value);
  body.insert(body.end(), bytes, bytes + sizeof bytes);
}

void text(Body& body, std::string_view value) {
  body.insert(body.end(), value.begin(), value.end());
  body.push_back(0);
}

Body good(uint32_t groups, uint32_t arguments, std::string_view input) {
  Body body;
  const uint32_t numbers[] = {7, 30'000, 65'536, 65'536, 0, 0, groups, arguments, 2, static_cast<uint32_t>(input.size())};
  for (const uint32_t value : numbers) number(body, value);
  for (size_t half = 0; half < 2 * trotline::spawner::kLimits; half++) number(body, trotline::spawner::kNone);
  for (uint32_t group = 0; group < groups; group++) number(body, group);
  text(body, "/");
  text(body, "");
  for (uint32_t argument = 0; argument < arguments; argument++) text(body, "/bin/true");
  text(body, "PATH=/bin");
  text(body, "A=");
  body.insert(body.end(), input.begin(), input.end());
  return body;
}

/** Whether it was taken; touches every byte of what it then is. */
bool feed(const Body& body) {
  const auto block = std::make_unique<uint8_t[]>(body.size());
  std::copy(body.begin(), body.end(), block.get());
  SpawnRequest request{};
  const bool taken = trotline::spawner::parseSpawn({block.get(), body.size()}, request);
  size_t read = 0;
  if (taken) {
    for (uint32_t i = 0; i < request.groupCount; i++) read += request.groups[i];
    for (char** each = request.argv; *each; each++) read += std::strlen(*each);
    for (char** each = request.env; *each; each++) read += std::strlen(*each);
    read += std::strlen(request.directory) + std::strlen(request.cgroup);
    for (size_t i = 0; i < request.input.size; i++) read += request.input.data[i];
  }
  volatile size_t kept = read;
  (void)kept;
  std::free(request.groups);
  std::free(request.argv);
  std::free(request.env);
  return taken;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "spawner-fuzz: %s\n", what);
  std::exit(1);
}

void mutate(Body& body, std::mt19937& random) {
  const auto below = [&](size_t limit) { return static_cast<size_t>(random() % std::max<size_t>(limit, 1)); };
  for (size_t change = 0; change <= below(4) && !body.empty(); change++) {
    const size_t at = below(body.size());
    switch (below(4)) {
      case 0: body[at] = static_cast<uint8_t>(random()); break;
      case 1: body.resize(at); break;
      case 2: body.insert(body.begin() + static_cast<std::ptrdiff_t>(at), below(9), static_cast<uint8_t>(random())); break;
      // Counts and sizes live at multiples of four.
      default: {
        const uint32_t edge = std::array<uint32_t, 6>{0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF}[below(6)];
        const size_t slot = below(std::min<size_t>(body.size() / 4, 20));
        if (slot * 4 + 4 <= body.size()) std::memcpy(&body[slot * 4], &edge, sizeof edge);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  std::mt19937 random(argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 1);
  const std::vector<Body> seeds{good(0, 1, ""), good(3, 4, "{\"id\":1}"), good(0, 40, "x")};
  for (const Body& seed : seeds) {
    require(feed(seed), "a good frame is taken");
    for (size_t size = 0; size < seed.size(); size++) {
      require(!feed(Body(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size))), "a truncated frame is refused");
    }
  }
  size_t taken = 0;
  for (size_t run = 0; run < count; run++) {
    Body body = seeds[random() % seeds.size()];
    mutate(body, random);
    taken += feed(body) ? 1 : 0;
  }
  std::printf("{\"runs\":%zu,\"taken\":%zu,\"refused\":%zu}\n", count, taken, count - taken);
  return 0;
}
