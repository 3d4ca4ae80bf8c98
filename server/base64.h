#pragma once
// Base64 as in RFC 4648 section 4, strictly: the standard alphabet, padded, nothing in between, unused bits zero.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nestor::server {

// The bytes; nullopt: not base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace nestor::server
