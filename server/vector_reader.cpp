#include "server/vector_reader.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

#include "index/distance.h"
#include "server/base64.h"
#include "server/fields.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

// REQUIRES a number in JSON's grammar within double's range. False: beyond float32's range.
bool read_coordinate(const char* begin, const char* end, float& value) {
  const auto result = std::from_chars(begin, end, value);
  if (result.ec == std::errc()) return true;
  // Out of range, at one end or the other. What is too small even for a double leaves `wide` at 0.
  double wide = 0;
  std::from_chars(begin, end, wide);
  if (std::abs(wide) > 1) return false;
  value = std::signbit(wide) ? -0.0f : 0.0f;
  return true;
}

[[noreturn]] void refuse_item(const JsonValue& value, std::string_view where) {
  const auto items = value.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_number()) continue;
    if (i == 0 && items[i].is_array())
      not_supported("a multivector (a list of lists) in `" + std::string(where) + "`");
    format_error("invalid type: " + items[i].describe() + " at position " + std::to_string(i) + " of `" +
                 std::string(where) + "`, expected a number");
  }
  format_error("`" + std::string(where) + "` is not a vector");
}

std::string decoded(const JsonValue& value, std::string_view where) {
  auto bytes = decode_base64(*value.as_string());
  if (!bytes) wrong_input("the string in `" + std::string(where) + "` is not base64 (standard alphabet, padded)");
  return *std::move(bytes);
}

bool is_half(std::size_t bytes, std::size_t dim) { return dim != 0 && bytes == 2 * dim; }

std::size_t decoded_length(std::size_t bytes, std::string_view where, std::size_t dim) {
  if (is_half(bytes, dim)) return dim;
  if (bytes == 0 || bytes % 4 != 0)
    wrong_input("the base64 string in `" + std::string(where) + "` holds " + std::to_string(bytes) +
                " bytes, which are no vector of float32" +
                (dim == 0 ? std::string() : ", nor one of " + std::to_string(dim) + " float16"));
  return bytes / 4;
}

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void append_decoded(std::string_view bytes, std::size_t length, std::vector<float>& out) {
  const std::size_t size = bytes.size() / length;
  for (std::size_t i = 0; i < length; ++i) {
    const std::uint32_t bits = little_endian(bytes.substr(i * size, size));
    auto value = std::bit_cast<float>(bits);
    const auto half = static_cast<std::uint16_t>(bits);
    if (size == 2) index::kernels().f32_from_f16(&half, &value, 1);
    out.push_back(value);
  }
}

}  // namespace

void dimension_error(std::size_t expected, std::size_t got) {
  wrong_input("Vector dimension error: expected dim: " + std::to_string(expected) + ", got " + std::to_string(got));
}

std::size_t vector_length(const JsonValue& value, std::string_view where, std::size_t dim) {
  if (value.is_string()) return decoded_length(decoded(value, where).size(), where, dim);
  if (value.is_number_array()) return value.size();
  if (value.is_array()) {
    if (value.size() == 0) wrong_input("the vector in `" + std::string(where) + "` is empty");
    refuse_item(value, where);
  }
  if (value.is_object() && value.find("indices")) not_supported("a sparse vector in `" + std::string(where) + "`");
  wrong_type(value, where, "a vector (a list of numbers)");
}

void append_coordinates(const JsonValue& value, std::string_view where, std::vector<float>& out, std::size_t dim) {
  if (value.is_string()) {
    const std::string bytes = decoded(value, where);
    return append_decoded(bytes, decoded_length(bytes.size(), where, dim), out);
  }
  out.reserve(out.size() + vector_length(value, where));
  const std::string_view text = value.text();
  const std::size_t first = out.size();
  for (std::size_t at = 1; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(" \n\r\t,]", at);
    if (begin == std::string_view::npos) break;
    const std::size_t end = text.find_first_of(" \n\r\t,]", begin);
    float coordinate = 0;
    if (!read_coordinate(text.data() + begin, text.data() + end, coordinate))
      wrong_input("number " + std::string(text.substr(begin, std::min<std::size_t>(end - begin, 40))) +
                  " at position " + std::to_string(out.size() - first) + " of `" + std::string(where) +
                  "` does not fit into a 32-bit float");
    out.push_back(coordinate);
    at = end + 1;
  }
}

}  // namespace nestor::server
