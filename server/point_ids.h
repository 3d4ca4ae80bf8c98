#pragma once
// Point ids as users write them: an unsigned 64-bit integer, exact, or a UUID in a string.

#include <optional>
#include <string_view>
#include <vector>

#include "index/types.h"
#include "server/json_view.h"

namespace nestor::server {

// nullopt: neither an integer of 64 bits nor a UUID in one of its forms.
std::optional<index::PointId> parse_id(const JsonValue& value);
std::optional<index::PointId> parse_id(std::string_view path_segment);

// Throws HttpError 400.
index::PointId read_id(const JsonValue& value);
// An array of at most `limit` ids. Throws HttpError 400.
std::vector<index::PointId> read_ids(const JsonValue& value, std::string_view name, std::size_t limit);

}  // namespace nestor::server
