#pragma once
// Files of text that people and other programs wrote.

#include <string>
#include <string_view>

namespace nestor::client {

// All of the file: unpacked where it is gzip (RFC 1952), without the byte order mark that some editors write in front.
// Throws Error not_found, permission_denied, invalid_argument (UTF-16, a damaged gzip file), naming the file.
std::string read_text_file(const std::string& path);

// The same of text that has been read: what is left of it behind a byte order mark.
std::string_view without_byte_order_mark(std::string_view text, const std::string& path);

}  // namespace nestor::client
