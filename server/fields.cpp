#include "server/fields.h"

#include <algorithm>

#include "server/protocol.h"

namespace nestor::server {

std::optional<JsonValue> field(const JsonValue& object, std::string_view name) {
  auto found = object.find(name);
  if (found && found->is_null()) return std::nullopt;
  return found;
}

JsonValue required_field(const JsonValue& object, std::string_view name) {
  if (const auto found = field(object, name)) return *found;
  format_error("missing field `" + std::string(name) + "`");
}

void wrong_type(const JsonValue& value, std::string_view name, std::string_view expected) {
  format_error("invalid type: " + value.describe() + ", expected " + std::string(expected) + " for `" +
               std::string(name) + "`");
}

void expect_object(const JsonValue& value, std::string_view what) {
  if (!value.is_object()) wrong_type(value, what, "an object");
}

void expect_array(const JsonValue& value, std::string_view what) {
  if (!value.is_array()) wrong_type(value, what, "a list");
}

std::optional<bool> bool_field(const JsonValue& object, std::string_view name) {
  const auto value = field(object, name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) wrong_type(*value, name, "true or false");
  return value->as_bool();
}

std::optional<std::string> string_field(const JsonValue& object, std::string_view name) {
  const auto value = field(object, name);
  if (!value) return std::nullopt;
  if (!value->is_string()) wrong_type(*value, name, "a string");
  return value->as_string();
}

std::uint64_t integer_value(const JsonValue& value, std::string_view name, IntegerRange range) {
  const auto number = value.as_unsigned();
  if (!number) wrong_type(value, name, "an unsigned integer");
  if (*number >= range.low && *number <= range.high) return *number;
  const std::string low = std::to_string(range.low), high = std::to_string(range.high);
  const std::string rule = range.high == IntegerRange{}.high ? low + " or larger"
                           : range.low == 0                  ? high + " or smaller"
                                                             : "from " + low + " to " + high;
  validation_error(name, "value " + std::to_string(*number) + " invalid, must be " + rule);
}

std::optional<std::uint64_t> integer_field(const JsonValue& object, std::string_view name, IntegerRange range) {
  const auto value = field(object, name);
  if (!value) return std::nullopt;
  return integer_value(*value, name, range);
}

std::optional<double> number_field(const JsonValue& object, std::string_view name) {
  const auto value = field(object, name);
  if (!value) return std::nullopt;
  if (!value->is_number()) wrong_type(*value, name, "a number");
  return value->as_double();
}

std::vector<std::uint32_t> integer_list(const JsonValue& value, std::string_view name) {
  expect_array(value, name);
  std::vector<std::uint32_t> out;
  for (const JsonValue& item : value.items())
    out.push_back(static_cast<std::uint32_t>(
        integer_value(item, name, {.high = std::numeric_limits<std::uint32_t>::max()})));
  return out;
}

void refuse_fields(const JsonValue& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (field(object, name)) not_supported("`" + std::string(name) + "`");
}

void allow_fields(const JsonValue& object, std::string_view what, std::initializer_list<std::string_view> names) {
  expect_object(object, what);
  for (const auto& [key, value] : object.members()) {
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    std::string known;
    for (const std::string_view name : names) known += (known.empty() ? "`" : ", `") + std::string(name) + "`";
    format_error("unknown field `" + key + "` in `" + std::string(what) + "`, expected one of " + known);
  }
}

}  // namespace nestor::server
