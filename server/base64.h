#pragma once
// Base64 as in RFC 4648 section 4, strictly: the standard alphabet, padded, nothing in between, unused bits zero.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nestor::server {

bool is_base64(std::string_view text);
// How many bytes the text holds if it is base64; nullopt: it is not, by its length alone. O(1).
std::optional<std::size_t> base64_length(std::string_view text);
// The bytes; nullopt: not base64.
std::optional<std::string> decode_base64(std::string_view text);
// Appends the text.
void append_base64(std::string& out, std::string_view bytes);

}  // namespace nestor::server
