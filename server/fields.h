#pragma once
// Reading the fields of a request's object. A field that is null counts as absent; one of the wrong kind is
// 400 "Format error in JSON body", one out of range is 422 "Validation error in JSON body".

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/json_view.h"

namespace nestor::server {

struct IntegerRange {
  std::uint64_t low = 0;
  std::uint64_t high = std::numeric_limits<std::uint64_t>::max();
};

std::optional<JsonValue> field(const JsonValue& object, std::string_view name);
JsonValue required_field(const JsonValue& object, std::string_view name);

std::optional<bool> bool_field(const JsonValue& object, std::string_view name);
std::optional<std::string> string_field(const JsonValue& object, std::string_view name);
std::optional<std::uint64_t> integer_field(const JsonValue& object, std::string_view name, IntegerRange range = {});
std::optional<double> number_field(const JsonValue& object, std::string_view name);

std::uint64_t integer_value(const JsonValue& value, std::string_view name, IntegerRange range = {});
// An array of integers of 32 bits.
std::vector<std::uint32_t> integer_list(const JsonValue& value, std::string_view name);

// The root or a nested value must be an object / an array.
void expect_object(const JsonValue& value, std::string_view what);
void expect_array(const JsonValue& value, std::string_view what);
// "invalid type: number `3`, expected WHAT for `name`"
[[noreturn]] void wrong_type(const JsonValue& value, std::string_view name, std::string_view expected);

// 400 when one of these is there: parts of the dialect that are not spoken yet.
void refuse_fields(const JsonValue& object, std::initializer_list<std::string_view> names);
// 400 for any field but these: Nestor's own extensions, where a misspelt name must not pass unnoticed.
void allow_fields(const JsonValue& object, std::string_view what, std::initializer_list<std::string_view> names);

}  // namespace nestor::server
