#pragma once

#include <string_view>

namespace trotline::hook {

/** One JSON object (RFC 8259), with nothing but white space around it. Whether texts are UTF-8 is not looked at. */
bool isJsonObject(std::string_view text);

}  // namespace trotline::hook
