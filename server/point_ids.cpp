#include "server/point_ids.h"

#include <charconv>

#include "server/fields.h"
#include "server/protocol.h"

namespace nestor::server {
std::optional<index::PointId> parse_id(const JsonValue& value) {
  if (const auto number = value.as_unsigned()) return index::PointId::number(*number);
  if (const auto plain = value.as_plain_string()) return index::PointId::parse_uuid(*plain);
  if (const auto text = value.as_string()) return index::PointId::parse_uuid(*text);
  return std::nullopt;
}

std::optional<index::PointId> parse_id(std::string_view path_segment) {
  std::uint64_t number = 0;
  const char* last = path_segment.data() + path_segment.size();
  const auto [end, code] = std::from_chars(path_segment.data(), last, number);
  if (code == std::errc() && end == last) return index::PointId::number(number);
  return index::PointId::parse_uuid(path_segment);
}

index::PointId read_id(const JsonValue& value) {
  if (const auto id = parse_id(value)) return *id;
  const std::string shown =
      value.is_number() || value.is_string() ? std::string(value.text().substr(0, 64)) : value.describe();
  format_error("value " + shown + " is not a valid point ID, valid values are either an unsigned integer or a UUID");
}

std::vector<index::PointId> read_ids(const JsonValue& value, std::string_view name, std::size_t limit) {
  expect_array(value, name);
  if (value.size() > limit)
    wrong_input(std::to_string(value.size()) + " ids in `" + std::string(name) + "`, at most " + std::to_string(limit) +
                " are allowed in one request");
  std::vector<index::PointId> ids;
  ids.reserve(value.size());
  for (const JsonValue& item : value.items()) ids.push_back(read_id(item));
  return ids;
}

}  // namespace nestor::server
