#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <linux/netlink.h>

#include <algorithm>
#include <string>

#include "records.hh"

namespace trotline {

struct Bytes {
  const uint8_t* data;
  size_t size;
};

template <typename T>
T load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/** Walks the attributes of `area`; false when a length is wrong or `visit` refuses a value. */
template <typename Visit>
bool eachAttribute(Bytes area, Visit visit) {
  while (area.size > 0) {
    if (area.size < sizeof(nlattr)) return false;
    const auto header = load<nlattr>(area.data);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > area.size) return false;
    const uint16_t type = header.nla_type & NLA_TYPE_MASK;
    if (!visit(type, Bytes{area.data + NLA_HDRLEN, size_t{header.nla_len} - NLA_HDRLEN})) return false;
    const size_t step = std::min(size_t{NLA_ALIGN(header.nla_len)}, area.size);
    area = {area.data + step, area.size - step};
  }
  return true;
}

/** How the value of one attribute becomes a column. */
using Reader = bool (*)(Bytes value, Record& record, size_t column);

struct AttributeRule {
  uint16_t attribute;
  size_t column;
  Reader read;
};

/** The rules of one kind of message, found by the number of the attribute. */
template <size_t Size>
class AttributeRules {
 public:
  template <size_t Count>
  constexpr explicit AttributeRules(const AttributeRule (&rules)[Count]) {
    for (const auto& rule : rules) rules_[rule.attribute] = rule;
  }

  /** False when an attribute breaks the format; one without a rule is passed over. */
  bool apply(Bytes attributes, Record& record) const {
    return eachAttribute(attributes, [&](uint16_t type, Bytes value) {
      if (type >= Size || rules_[type].read == nullptr) return true;
      return rules_[type].read(value, record, rules_[type].column);
    });
  }

 private:
  AttributeRule rules_[Size]{};
};

template <typename T>
bool readNumber(Bytes value, Record& record, size_t column) {
  if (value.size < sizeof(T)) return false;
  record.set(column, load<T>(value.data));
  return true;
}

/** Two bytes in network order. */
bool readPort(Bytes value, Record& record, size_t column);

template <size_t Limit>
bool readText(Bytes value, Record& record, size_t column) {
  const auto* end = std::find(value.data, value.data + value.size, uint8_t{0});
  const auto length = static_cast<size_t>(end - value.data);
  if (length > Limit) return false;
  record.setText(column, {reinterpret_cast<const char*>(value.data), length});
  return true;
}

/** `02:00:5e:10:00:ff`; a device without an address has an empty attribute or none: both are absent. */
bool readHardwareAddress(Bytes value, Record& record, size_t column);

/** An IPv4 or IPv6 address, told apart by its length. */
bool readIpAddress(Bytes value, Record& record, size_t column);

/** The text of an address of 4 or 16 bytes; of another length: hexadecimal bytes with colons. */
std::string addressText(Bytes address);

}  // namespace trotline
