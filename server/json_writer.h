#pragma once
// Appending JSON to a string. Floats are written as the shortest text that reads back as the same
// float32, whole ones with ".0": readers with types take 1 for an integer. What is not finite, which JSON cannot say,
// becomes the largest finite value of its sign.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "index/types.h"
#include "server/json_view.h"

namespace nestor::server {

void append_unsigned(std::string& out, std::uint64_t value);
void append_float(std::string& out, float value);
void append_double(std::string& out, double value);
// Quoted and escaped. Bytes that are not UTF-8 become U+FFFD, so that the answer is always valid JSON.
void append_string(std::string& out, std::string_view text);
void append_vector(std::string& out, std::span<const float> vector);
// A number, or a quoted UUID.
void append_id(std::string& out, const index::PointId& id);

// A string, integer or boolean in its one spelling, so that equal values are equal texts; nullopt for anything else.
std::optional<std::string> canonical_scalar(const JsonValue& value);

}  // namespace nestor::server
