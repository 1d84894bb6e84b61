#include "hook_address.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

namespace trotline::hook {

const size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;

namespace {

/** 0: none. */
in_port_t portIn(const char* text) {
  const size_t digits = std::strspn(text, "0123456789");
  if (digits == 0 || digits > 5 || text[digits] != '\0') return 0;
  const long port = std::strtol(text, nullptr, 10);
  return port <= 65'535 ? htons(static_cast<in_port_t>(port)) : in_port_t{0};
}

}  // namespace

bool unixAddress(const char* path, Address& address) {
  const size_t length = std::strlen(path);
  if (length == 0 || length > kMaxPath) return false;
  auto* const found = reinterpret_cast<sockaddr_un*>(&address.storage);
  found->sun_family = AF_UNIX;
  std::memcpy(found->sun_path, path, length + 1);
  address.size = sizeof *found;
  return true;
}

bool networkAddress(const char* text, Address& address) {
  const bool isBracketed = *text == '[';
  const char* const host = text + (isBracketed ? 1 : 0);
  const char* const end = std::strrchr(host, isBracketed ? ']' : ':');
  if (end == nullptr || (isBracketed && end[1] != ':')) return false;
  const in_port_t port = portIn(end + (isBracketed ? 2 : 1));
  char number[INET6_ADDRSTRLEN];
  const auto length = static_cast<size_t>(end - host);
  if (port == 0 || length >= sizeof number) return false;
  std::memcpy(number, host, length);
  number[length] = '\0';
  if (isBracketed) {
    auto* const found = reinterpret_cast<sockaddr_in6*>(&address.storage);
    found->sin6_family = AF_INET6;
    found->sin6_port = port;
    address.size = sizeof *found;
    return ::inet_pton(AF_INET6, number, &found->sin6_addr) == 1;
  }
  auto* const found = reinterpret_cast<sockaddr_in*>(&address.storage);
  found->sin_family = AF_INET;
  found->sin_port = port;
  address.size = sizeof *found;
  return ::inet_pton(AF_INET, number, &found->sin_addr) == 1;
}

}  // namespace trotline::hook
