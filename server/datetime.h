#pragma once
// Moments in text: RFC 3339, and the shorter forms that payloads hold.

#include <cstdint>
#include <optional>
#include <string_view>

namespace nestor::server {

// Microseconds since 1970-01-01T00:00:00Z of "2024-02-29T12:30:00.5+02:00", "2024-02-29 12:30:00", "2024-02-29T12:30",
// "2024-02-29"; without an offset UTC is meant, digits beyond microseconds are cut. nullopt: no such moment.
std::optional<std::int64_t> parse_datetime(std::string_view text);

}  // namespace nestor::server
