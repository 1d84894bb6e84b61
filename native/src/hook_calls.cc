#include "hook_calls.hh"

#include <sys/time.h>

#include <csignal>
#include <ctime>

namespace trotline::hook {
namespace {

/** Between two interruptions after the deadline: the first may come just before a call blocks. */
constexpr int kAgainMicros = 20'000;

int64_t deadline = 0;

int64_t nowMillis() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

void startDeadline(int64_t millis) {
  deadline = nowMillis() + millis;
  ::signal(SIGPIPE, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, nullptr);
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  ::sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
  itimerval timer{};
  timer.it_value.tv_sec = millis / 1000;
  timer.it_value.tv_usec = millis % 1000 * 1000;
  timer.it_interval.tv_usec = kAgainMicros;
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

int64_t leftMillis() {
  const int64_t left = deadline - nowMillis();
  return left > 0 ? left : 0;
}

}  // namespace trotline::hook
