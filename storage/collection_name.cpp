#include "storage/collection_name.h"

#include "index/error.h"
#include "index/utf8.h"

namespace nestor::storage {
namespace {

constexpr std::string_view kForbidden = "<>:\"/\\|?*";
constexpr std::size_t kMaxDirectoryBytes = 255;  // NAME_MAX
constexpr char kHex[] = "0123456789ABCDEF";

[[noreturn]] void invalid(const std::string& what) { throw index::Error(index::ErrorCode::invalid_argument, what); }

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7F; }

bool stays(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c >= 0x80;
}

int hex_value(char c) {
  const std::size_t at = std::string_view(kHex).find(c);
  return c == '\0' || at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

// Clients fold "a/./b" and "a/../b" before they send them, and proxies do: such a name could not be reached.
void check_collection_name(std::string_view name) {
  if (name.empty()) invalid("collection name is empty");
  if (name == "." || name == "..") invalid("collection name \"" + std::string(name) + "\" is not a name but a place");
  if (!index::is_utf8(name)) invalid("collection name is not UTF-8");
  if (name.size() > kMaxNameBytes)
    invalid("collection name has " + std::to_string(name.size()) + " bytes, the limit is " +
            std::to_string(kMaxNameBytes));
  for (const char c : name) {
    if (is_control(static_cast<unsigned char>(c)))
      invalid("collection name contains the control character " + std::to_string(static_cast<unsigned char>(c)));
    if (kForbidden.find(c) != std::string_view::npos)
      invalid("collection name \"" + std::string(name) + "\" contains '" + c + "'; none of " + std::string(kForbidden) +
              " is allowed");
  }
  const std::size_t escaped = escape_name(name).size();
  if (escaped > kMaxDirectoryBytes)
    invalid("collection name of " + std::to_string(name.size()) + " bytes needs a directory name of " +
            std::to_string(escaped) + ", the limit is " + std::to_string(kMaxDirectoryBytes));
}

std::string escape_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (stays(byte) && !(c == '.' && out.empty()))
      out += c;
    else
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

std::string unescape_name(std::string_view directory) {
  std::string out;
  for (std::size_t i = 0; i < directory.size(); ++i) {
    if (directory[i] != '%') {
      out += directory[i];
      continue;
    }
    const int high = i + 2 < directory.size() ? hex_value(directory[i + 1]) : -1;
    const int low = i + 2 < directory.size() ? hex_value(directory[i + 2]) : -1;
    if (high < 0 || low < 0) return std::string(directory);
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return escape_name(out) == directory ? out : std::string(directory);
}

}  // namespace nestor::storage
