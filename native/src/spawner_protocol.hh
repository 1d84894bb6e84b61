#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace trotline::spawner {

/*
 * Frames in both directions: u32 length of the rest, u8 type, body. Little-endian, no padding.
 *
 *   to the spawner
 *     1 spawn   u32 id, timeoutMs, outputLimit, errorLimit (0xffffffff: errors go with the output), uid, gid, groupCount,
 *               argCount, envCount, stdinLength (0xffffffff: none)
 *               u64 limits[5]: cpu seconds, address space, open files, processes, file bytes (all ones: none)
 *               u32 groups[groupCount], directory NUL, cgroup NUL (empty: none), argCount x (text NUL),
 *               envCount x (NAME=value NUL), stdin bytes
 *     2 kill    u32 id
 *   from the spawner
 *     1 ready   u32 protocol version
 *     2 ended   u32 id, u8 kind (0 exit, 1 signal, 2 start error), u8 flags (1 timed out, 2 output truncated),
 *               u32 exit code | signal | errno, u64 microseconds, u32 outputLength, output (for a start error: the name of the
 *               system call), error output
 *     3 failed  u32 errno, the name of the system call; the spawner exits
 *
 * The end of its input makes the spawner kill every tree and exit.
 */
constexpr uint32_t kProtocolVersion = 3;
constexpr uint32_t kNone = 0xffffffff;
constexpr size_t kMaxRequest = size_t{8} << 20;
constexpr size_t kMaxOutput = size_t{1} << 20;
constexpr size_t kLimits = 5;

enum RequestType : uint8_t { kSpawn = 1, kKill = 2 };
enum AnswerType : uint8_t { kReady = 1, kEnded = 2, kFailed = 3 };
enum EndKind : uint8_t { kExit = 0, kSignal = 1, kStartError = 2 };
enum EndFlag : uint8_t { kTimedOut = 1, kTruncated = 2 };

struct Bytes {
  const uint8_t* data;
  size_t size;
};

/** Texts and bytes point into the frame; `groups`, `argv` and `env` are the caller's to free. */
struct SpawnRequest {
  uint32_t id;
  uint32_t timeoutMs;
  uint32_t outputLimit;
  /** kNone: the error output goes with the output. */
  uint32_t errorLimit;
  uint32_t uid;
  uint32_t gid;
  uint64_t limits[kLimits];
  gid_t* groups;
  uint32_t groupCount;
  const char* directory;
  /** Directory of a cgroup v2 that the whole tree lives in; empty: that of the spawner. */
  const char* cgroup;
  char** argv;
  char** env;
  bool hasInput;
  Bytes input;
};

/** False when the frame is cut short, has an unterminated text, or there is no memory for the arrays. */
bool parseSpawn(Bytes body, SpawnRequest& request);

struct End {
  EndKind kind;
  uint8_t flags;
  uint32_t value;
  uint64_t micros;
};

constexpr size_t kEndedHeader = 4 + 1 + 4 + 1 + 1 + 4 + 8 + 4;

/** Writes the header of an `ended` frame, which `outputSize` and then `errorSize` bytes follow. */
void writeEnded(uint8_t* into, uint32_t id, const End& end, size_t outputSize, size_t errorSize);

uint32_t loadU32(const uint8_t* from);
void storeU32(uint8_t* into, uint32_t value);

}  // namespace trotline::spawner
