#pragma once
// One number of a JSON text as a float32, at the speed that vectors need: 768 of them are most of a query's bytes.

namespace nestor::server {

// Reads the JSON number at `at` and returns where it ends; nullptr, and no value, where there is none in JSON's grammar
// (RFC 8259 section 6). The value is the float32 nearest to what is written, ties to even: bit for bit that of
// std::from_chars<float>. What is too small becomes a zero of its sign, what is too large an infinity.
// Reads nothing at or after `end`.
const char* read_float(const char* at, const char* end, float& value);

}  // namespace nestor::server
