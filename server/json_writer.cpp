#include "server/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "index/utf8.h"

namespace nestor::server {
namespace {

template <typename Number>
void append_number(std::string& out, Number value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

template <typename Float>
Float finite(Float value) {
  if (std::isnan(value)) return 0;
  return std::clamp(value, std::numeric_limits<Float>::lowest(), std::numeric_limits<Float>::max());
}

void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
}

}  // namespace

void append_unsigned(std::string& out, std::uint64_t value) { append_number(out, value); }
void append_float(std::string& out, float value) {
  const std::size_t first = out.size();
  append_number(out, finite(value));
  if (out.find_first_of(".e", first) == std::string::npos) out += ".0";
}
void append_double(std::string& out, double value) { append_number(out, finite(value)); }

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x20 || c == '"' || c == '\\') {
      append_escaped(out, c);
      ++at;
      continue;
    }
    const std::size_t length = index::utf8_length(text, at);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++at;
      continue;
    }
    out.append(text, at, length);
    at += length;
  }
  out += '"';
}

void append_vector(std::string& out, std::span<const float> vector) {
  out += '[';
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (i) out += ',';
    append_float(out, vector[i]);
  }
  out += ']';
}

void append_id(std::string& out, const index::PointId& id) {
  if (!id.is_uuid) return append_unsigned(out, id.low);
  out += '"';
  out += index::to_string(id);
  out += '"';
}

}  // namespace nestor::server
