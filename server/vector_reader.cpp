#include "server/vector_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>

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

}  // namespace

void dimension_error(std::size_t expected, std::size_t got) {
  wrong_input("Vector dimension error: expected dim: " + std::to_string(expected) + ", got " + std::to_string(got));
}

std::size_t vector_length(const JsonValue& value, std::string_view where) {
  if (value.is_number_array()) return value.size();
  if (value.is_array()) {
    if (value.size() == 0) wrong_input("the vector in `" + std::string(where) + "` is empty");
    refuse_item(value, where);
  }
  if (value.is_object() && value.find("indices")) not_supported("a sparse vector in `" + std::string(where) + "`");
  wrong_type(value, where, "a vector (a list of numbers)");
}

void append_coordinates(const JsonValue& value, std::string_view where, std::vector<float>& out) {
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
