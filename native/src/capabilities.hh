#pragma once

#include <cstdint>
#include <initializer_list>

namespace trotline {

/** A set of capabilities, a bit for each of the kernel's numbers. */
using Capabilities = uint64_t;

constexpr Capabilities capabilities(std::initializer_list<int> numbers) {
  Capabilities set = 0;
  for (const int number : numbers) set |= Capabilities{1} << number;
  return set;
}

/**
 * Gives up, for good, all that is not in `kept`: effective, permitted, inheritable, ambient, and where that is allowed the
 * bounding set; no program started later gains any, and no process without these can look into this one. Of the calling
 * thread alone: call it before there are others. 0, or an errno.
 */
int keepCapabilities(Capabilities kept);

/** As `keepCapabilities`, and whoever the user is, the next program has what is left: it must give it up itself. */
int passCapabilities(Capabilities passed);

}  // namespace trotline
