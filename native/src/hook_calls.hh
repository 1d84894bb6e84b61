#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>

namespace trotline::hook {

/**
 * One deadline for the whole of this process. From then on every blocking call is interrupted, again and again, so none can
 * miss it; SIGPIPE is ignored.
 */
void startDeadline(int64_t millis);

/** 0 when it has passed. */
int64_t leftMillis();

/** Calls until that is no EINTR, and waits where somebody made the descriptor non-blocking; ETIMEDOUT at the deadline. */
template <typename Call>
ssize_t persist(int fd, short events, Call call) {
  for (;;) {
    const int64_t left = leftMillis();
    if (left == 0) {
      errno = ETIMEDOUT;
      return -1;
    }
    const ssize_t result = call();
    if (result >= 0) return result;
    if (errno == EAGAIN) {
      pollfd polled{fd, events, 0};
      ::poll(&polled, 1, static_cast<int>(left));
    } else if (errno != EINTR) {
      return -1;
    }
  }
}

}  // namespace trotline::hook
