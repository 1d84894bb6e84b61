#include "spawner_protocol.hh"

#include <cstdlib>
#include <cstring>

namespace trotline::spawner {
namespace {

/** Reads a body from front to back; once something is missing, everything after it is 0 or empty and `bad` stays set. */
struct Cursor {
  Bytes rest;
  bool bad = false;

  const uint8_t* take(size_t size) {
    if (bad || size > rest.size) {
      bad = true;
      return nullptr;
    }
    const uint8_t* at = rest.data;
    rest = {at + size, rest.size - size};
    return at;
  }

  uint32_t u32() {
    const uint8_t* at = take(4);
    return at ? loadU32(at) : 0;
  }

  uint64_t u64() {
    const uint64_t low = u32();
    return low | uint64_t{u32()} << 32;
  }

  char* text() {
    if (bad) return nullptr;
    const void* end = std::memchr(rest.data, 0, rest.size);
    if (!end) {
      bad = true;
      return nullptr;
    }
    // execve takes char* const[] and does not write.
    return const_cast<char*>(
        reinterpret_cast<const char*>(take(static_cast<const uint8_t*>(end) - rest.data + 1)));
  }

  /** A null-terminated array of texts. */
  char** texts(uint32_t count) {
    if (bad || count > rest.size) {
      bad = true;
      return nullptr;
    }
    auto** array = static_cast<char**>(std::calloc(size_t{count} + 1, sizeof(char*)));
    if (!array) bad = true;
    for (uint32_t i = 0; i < count && !bad; i++) array[i] = text();
    return array;
  }

  gid_t* ids(uint32_t count) {
    const uint8_t* from = take(size_t{count} * 4);
    if (bad) return nullptr;
    auto* array = static_cast<gid_t*>(std::calloc(size_t{count} + 1, sizeof(gid_t)));
    if (!array) bad = true;
    for (uint32_t i = 0; i < count && !bad; i++) array[i] = loadU32(from + size_t{i} * 4);
    return array;
  }
};

}  // namespace

uint32_t loadU32(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void storeU32(uint8_t* into, uint32_t value) { std::memcpy(into, &value, sizeof value); }

bool parseSpawn(Bytes body, SpawnRequest& request) {
  Cursor cursor{body};
  request.id = cursor.u32();
  request.timeoutMs = cursor.u32();
  request.outputLimit = cursor.u32();
  request.errorLimit = cursor.u32();
  request.uid = cursor.u32();
  request.gid = cursor.u32();
  request.groupCount = cursor.u32();
  const uint32_t argCount = cursor.u32();
  const uint32_t envCount = cursor.u32();
  const uint32_t inputSize = cursor.u32();
  for (uint64_t& limit : request.limits) limit = cursor.u64();
  request.groups = cursor.ids(request.groupCount);
  request.directory = cursor.text();
  request.cgroup = cursor.text();
  request.argv = cursor.texts(argCount);
  request.env = cursor.texts(envCount);
  request.hasInput = inputSize != kNone;
  const size_t size = request.hasInput ? inputSize : 0;
  request.input = {cursor.take(size), size};
  return !cursor.bad && argCount > 0 && request.outputLimit <= kMaxOutput &&
         (request.errorLimit == kNone || request.errorLimit <= kMaxOutput);
}

void writeEnded(uint8_t* into, uint32_t id, const End& end, size_t outputSize, size_t errorSize) {
  storeU32(into, static_cast<uint32_t>(kEndedHeader - 4 + outputSize + errorSize));
  into[4] = kEnded;
  storeU32(into + 5, id);
  into[9] = end.kind;
  into[10] = end.flags;
  storeU32(into + 11, end.value);
  std::memcpy(into + 15, &end.micros, sizeof end.micros);
  storeU32(into + 23, static_cast<uint32_t>(outputSize));
}

}  // namespace trotline::spawner
