#include "hook_request.hh"

#include <fcntl.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace trotline::hook {
namespace {

constexpr size_t kMaxHead = 65'536;
constexpr size_t kMaxAnswer = size_t{4} << 20;
/** A listener whose queue is full says no at once: so long is waited before the next try. */
constexpr long kQueueFullNanos = 2'000'000;

std::string errorOf(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

/** False when the deadline came first. */
bool wait(int fd, short events, uint64_t deadline) {
  for (;;) {
    const uint64_t now = nowMillis();
    if (now >= deadline) return false;
    pollfd polled{fd, events, 0};
    const int ready = poll(&polled, 1, static_cast<int>(std::min<uint64_t>(deadline - now, 1'000'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

int connectTo(const char* path, uint64_t deadline, std::string& problem) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    problem = std::string("the path of the socket is too long: ") + path;
    return -1;
  }
  std::strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    problem = errorOf("socket");
    return -1;
  }
  while (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    const bool later = errno == EAGAIN || errno == EINTR;
    if (later && nowMillis() < deadline) {
      const timespec pause{0, kQueueFullNanos};
      nanosleep(&pause, nullptr);
      continue;
    }
    problem = errorOf(path);
    close(fd);
    return -1;
  }
  return fd;
}

/** What the other side says before it has read all is its answer: a write that fails is none. */
bool sendAll(int fd, const std::string& text, uint64_t deadline, std::string& problem) {
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t size = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (size > 0) {
      sent += static_cast<size_t>(size);
    } else if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (errno == EAGAIN && !wait(fd, POLLOUT, deadline)) {
        problem = "the node did not take the question in time";
        return false;
      }
    } else {
      return true;
    }
  }
  return true;
}

/** The value of a header, its name in lower case; npos: it is not there. */
bool headerOf(const std::string& head, const char* name, std::string& value) {
  const size_t length = std::strlen(name);
  for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
    const char* line = head.c_str() + at + 2;
    if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
    const size_t from = at + 2 + length + 1;
    const size_t end = head.find("\r\n", from);
    value = head.substr(from, end == std::string::npos ? end : end - from);
    value.erase(0, value.find_first_not_of(" \t"));
    return true;
  }
  return false;
}

/** Status and length; false when the head is none of ours: the node always says how long its answer is. */
bool parseHead(const std::string& head, int& status, size_t& length) {
  if (head.compare(0, 7, "HTTP/1.") != 0 || head.size() < 12) return false;
  status = std::atoi(head.c_str() + 9);
  std::string text;
  if (status < 100 || status > 599 || !headerOf(head, "content-length", text)) return false;
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) return false;
  length = static_cast<size_t>(std::atol(text.c_str()));
  return length <= kMaxAnswer;
}

bool receive(int fd, uint64_t deadline, Answer& answer, std::string& problem) {
  std::string text;
  size_t bodyAt = std::string::npos;
  size_t length = 0;
  char buffer[16'384];
  for (;;) {
    const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) {
      if (wait(fd, POLLIN, deadline)) continue;
      problem = "the node did not answer in time";
      return false;
    }
    if (size <= 0) {
      problem = text.empty() ? "the node closed without an answer" : "the node's answer is cut";
      return false;
    }
    text.append(buffer, static_cast<size_t>(size));
    if (bodyAt == std::string::npos) {
      const size_t end = text.find("\r\n\r\n");
      if (end == std::string::npos && text.size() <= kMaxHead) continue;
      if (end == std::string::npos || !parseHead(text.substr(0, end), answer.status, length)) {
        problem = "what answers at the socket is no node of ours";
        return false;
      }
      bodyAt = end + 4;
    }
    if (text.size() - bodyAt >= length) {
      answer.body = text.substr(bodyAt, length);
      return true;
    }
  }
}

}  // namespace

uint64_t nowMillis() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

bool readAll(int fd, size_t limit, uint64_t deadline, std::string& into, std::string& problem) {
  char buffer[65'536];
  for (;;) {
    if (!wait(fd, POLLIN, deadline)) {
      problem = "the question did not end in time";
      return false;
    }
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) {
      problem = errorOf("stdin");
      return false;
    }
    if (size == 0) return true;
    into.append(buffer, static_cast<size_t>(size));
    if (into.size() > limit) {
      problem = "the question is larger than " + std::to_string(limit) + " bytes";
      return false;
    }
  }
}

bool writeAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      pollfd polled{fd, POLLOUT, 0};
      poll(&polled, 1, -1);
      continue;
    }
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

bool ask(const Question& question, Answer& answer, std::string& problem) {
  const int fd = connectTo(question.socketPath, question.deadline, problem);
  if (fd < 0) return false;
  const std::string dialect = *question.dialect ? std::string("/") + question.dialect : "";
  const std::string seconds = std::to_string(question.timeoutMillis / 1'000) + "." + std::to_string(question.timeoutMillis % 1'000 / 100);
  const std::string text = "POST /v1/hooks" + dialect + "?timeout=" + seconds +
                           " HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: " +
                           std::to_string(question.body.size()) + "\r\n\r\n" + question.body;
  const bool answered = sendAll(fd, text, question.deadline, problem) && receive(fd, question.deadline, answer, problem);
  close(fd);
  return answered;
}

}  // namespace trotline::hook
