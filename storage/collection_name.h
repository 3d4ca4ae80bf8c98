#pragma once
// Names of collections, and the directory names that hold them.

#include <string>
#include <string_view>

namespace nestor::storage {

inline constexpr std::size_t kMaxNameBytes = 255;

// Throws Error invalid_argument: empty, longer than 255 bytes, "." or "..", not UTF-8, one of < > : " / \ | ? * or a
// control character, or so many characters to escape that the directory name would be longer than 255 bytes.
void check_collection_name(std::string_view name);

// A safe directory name: ASCII letters, digits, - _ . and bytes of UTF-8 stay; a leading dot and everything else
// becomes %XX. Different names give different directories.
std::string escape_name(std::string_view name);

// The name that escape_name() turned into `directory`; on any other text, the text itself.
std::string unescape_name(std::string_view directory);

}  // namespace nestor::storage
