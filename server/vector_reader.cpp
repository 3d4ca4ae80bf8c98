#include "server/vector_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "index/distance.h"
#include "server/base64.h"
#include "server/fields.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

[[noreturn]] void refuse_item(const JsonValue& value, std::string_view where) {
  const auto items = value.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_number()) continue;
    if (i == 0 && items[i].is_array()) not_supported("a multivector (a list of lists) in `" + std::string(where) + "`");
    format_error("invalid type: " + items[i].describe() + " at position " + std::to_string(i) + " of `" +
                 std::string(where) + "`, expected a number");
  }
  format_error("`" + std::string(where) + "` is not a vector");
}

std::string decoded(const JsonValue& value, std::string_view where) {
  const auto plain = value.as_plain_string();
  auto bytes = plain ? decode_base64(*plain) : decode_base64(*value.as_string());
  if (!bytes) wrong_input("the string in `" + std::string(where) + "` is not base64 (standard alphabet, padded)");
  return *std::move(bytes);
}

std::size_t decoded_length(std::size_t bytes, std::string_view where, PackedLengths lengths) {
  if (bytes != 0 && bytes == 4 * lengths.width) return lengths.width;  // what the query states goes first
  if (bytes != 0 && bytes == 2 * lengths.dim) return lengths.dim;
  if (bytes != 0 && bytes == 2 * lengths.width) return lengths.width;
  if (bytes == 0 || bytes % 4 != 0)
    wrong_input("the base64 string in `" + std::string(where) + "` holds " + std::to_string(bytes) +
                " bytes, which are no vector of float32" +
                (lengths.dim == 0 ? std::string() : ", nor one of " + std::to_string(lengths.dim) + " float16"));
  return bytes / 4;
}

static_assert(std::endian::native == std::endian::little, "the bytes on the wire are those in memory");

void append_decoded(std::string_view bytes, std::size_t length, std::vector<float>& out) {
  const std::size_t first = out.size();
  out.resize(first + length);
  if (bytes.size() == 4 * length) {
    std::memcpy(out.data() + first, bytes.data(), bytes.size());
    return;
  }
  std::vector<std::uint16_t> halves(length);
  std::memcpy(halves.data(), bytes.data(), bytes.size());
  index::kernels().f32_from_f16(halves.data(), out.data() + first, length);
}

[[noreturn]] void refuse_number(const JsonValue& value, std::string_view where, std::size_t position) {
  const std::string number(value.items()[position].text().substr(0, 40));
  wrong_input("number " + number + " at position " + std::to_string(position) + " of `" + std::string(where) +
              "` does not fit into a 32-bit float");
}

}  // namespace

void dimension_error(std::size_t expected, std::size_t got) {
  wrong_input("Vector dimension error: expected dim: " + std::to_string(expected) + ", got " + std::to_string(got));
}

std::size_t vector_length(const JsonValue& value, std::string_view where, PackedLengths lengths) {
  if (const auto plain = value.as_plain_string())
    if (const auto bytes = base64_length(*plain)) return decoded_length(*bytes, where, lengths);
  if (value.is_string()) return decoded_length(decoded(value, where).size(), where, lengths);
  if (value.is_number_array()) return value.size();
  if (value.is_array()) {
    if (value.size() == 0) wrong_input("dense vector must not be empty (`" + std::string(where) + "`)");
    refuse_item(value, where);
  }
  if (value.is_object() && value.find("indices")) not_supported("a sparse vector in `" + std::string(where) + "`");
  wrong_type(value, where, "a vector (a list of numbers)");
}

void append_coordinates(const JsonValue& value, std::string_view where, std::vector<float>& out,
                        PackedLengths lengths) {
  if (value.is_string()) {
    const std::string bytes = decoded(value, where);
    return append_decoded(bytes, decoded_length(bytes.size(), where, lengths), out);
  }
  vector_length(value, where);
  const std::span<const float> numbers = value.floats();
  const auto large = std::find_if(numbers.begin(), numbers.end(), [](float x) { return std::isinf(x); });
  if (large != numbers.end()) refuse_number(value, where, static_cast<std::size_t>(large - numbers.begin()));
  out.insert(out.end(), numbers.begin(), numbers.end());
}

PackedType parse_packed_type(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, PackedType>, 5> kTypes = {{{"float32", PackedType::float32},
                                                                              {"float16", PackedType::float16},
                                                                              {"int8", PackedType::int8},
                                                                              {"uint8", PackedType::uint8},
                                                                              {"binary", PackedType::binary}}};
  for (const auto& [name, type] : kTypes)
    if (name == word) return type;
  format_error("unknown variant `" + std::string(word) +
               "` for `query_type`, expected one of `float32`, `float16`, `int8`, `uint8`, `binary`");
}

void append_packed(const JsonValue& value, std::string_view where, PackedType type, std::vector<float>& out) {
  const std::string bytes = decoded(value, where);
  const std::size_t size = type == PackedType::float32 ? 4 : type == PackedType::float16 ? 2 : 1;
  if (bytes.empty() || bytes.size() % size != 0)
    wrong_input("the base64 string in `" + std::string(where) + "` holds " + std::to_string(bytes.size()) +
                " bytes, which are no vector of its type");
  if (size > 1) return append_decoded(bytes, bytes.size() / size, out);
  for (const char byte : bytes) {
    const auto bits = static_cast<unsigned char>(byte);
    if (type == PackedType::int8) out.push_back(static_cast<signed char>(byte));
    if (type == PackedType::uint8) out.push_back(bits);
    for (int bit = 7; type == PackedType::binary && bit >= 0; --bit)
      out.push_back((bits >> bit & 1) != 0 ? 1.0f : -1.0f);
  }
}

}  // namespace nestor::server
