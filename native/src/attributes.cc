#include "attributes.hh"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdio>

namespace trotline {
namespace {

constexpr size_t kLongestHardwareAddress = 32;
constexpr char kDigits[] = "0123456789abcdef";

std::string hexadecimal(Bytes bytes) {
  std::string text;
  text.reserve(bytes.size * 3);
  for (size_t index = 0; index < bytes.size; ++index) {
    if (index > 0) text += ':';
    text += kDigits[bytes.data[index] >> 4];
    text += kDigits[bytes.data[index] & 15];
  }
  return text;
}

}  // namespace

std::string addressText(Bytes address) {
  char text[INET6_ADDRSTRLEN];
  const int family = address.size == sizeof(in_addr) ? AF_INET : address.size == sizeof(in6_addr) ? AF_INET6 : AF_UNSPEC;
  if (family == AF_UNSPEC || ::inet_ntop(family, address.data, text, sizeof text) == nullptr) return hexadecimal(address);
  return text;
}

bool readPort(Bytes value, Record& record, size_t column) {
  if (value.size < sizeof(uint16_t)) return false;
  record.set(column, ntohs(load<uint16_t>(value.data)));
  return true;
}

bool readHardwareAddress(Bytes value, Record& record, size_t column) {
  if (value.size > kLongestHardwareAddress) return false;
  // A tunnel's address is an IP address, and told as such by ip too; both are bytes here.
  if (value.size > 0) record.setText(column, hexadecimal(value));
  return true;
}

bool readIpAddress(Bytes value, Record& record, size_t column) {
  if (value.size != sizeof(in_addr) && value.size != sizeof(in6_addr)) return false;
  record.setText(column, addressText(value));
  return true;
}

}  // namespace trotline
