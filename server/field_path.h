#pragma once
// Paths into a payload: "a.b", "a[].b" (every element), "a[2]", "\"a.b\".c" (a key with a dot in it).

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "server/json_view.h"

namespace nestor::server {

struct FieldPath {
  enum class Kind { key, every_element, element };
  struct Step {
    Kind kind = Kind::key;
    std::string key;
    std::size_t index = 0;

    bool operator==(const Step&) const = default;
  };
  std::vector<Step> steps;  // the first one is a key; at most kMaxSteps
  static constexpr std::size_t kMaxSteps = 64;

  bool operator==(const FieldPath&) const = default;
};

// Throws HttpError 400 for what is no path.
FieldPath parse_field_path(std::string_view text);
// The field `name`, a string, as a path. Throws HttpError 400.
FieldPath path_field(const JsonValue& object, std::string_view name);

// The same with lists replaced by their elements.
template <typename Visit>
void for_each_value(const FieldPath& path, const JsonValue& payload, const Visit& visit);

// What stands at the path, empty when nothing does; more than one value only with "[]".
std::vector<JsonValue> values_at(const FieldPath& path, const JsonValue& payload);

template <typename Visit>
void for_each_value(const FieldPath& path, const JsonValue& payload, const Visit& visit) {
  for (const JsonValue& value : values_at(path, payload)) {
    if (!value.is_array()) {
      visit(value);
      continue;
    }
    for (const JsonValue& item : value.items()) visit(item);
  }
}

}  // namespace nestor::server
