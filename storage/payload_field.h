#pragma once
// One field of a payload without parsing the rest: payloads are JSON object text that was checked when it was written.

#include <cstdint>
#include <optional>
#include <string_view>

namespace nestor::storage {

// The raw text of a top-level field's value, without spaces around it; a string keeps its quotes. The last one of that
// name counts. nullopt: no such field, or the text is no object. `name` must need no escapes. O(length).
std::optional<std::string_view> payload_field(std::string_view object, std::string_view name);

// The field as a number; nullopt when it is missing or is none.
std::optional<double> payload_number(std::string_view object, std::string_view name);
// The field as an unsigned integer, exactly.
std::optional<std::uint64_t> payload_unsigned(std::string_view object, std::string_view name);

}  // namespace nestor::storage
