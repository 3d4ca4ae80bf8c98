#pragma once
// The kinds of numbers that import files hold, and how their bytes become floats or integers.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace nestor::storage {

enum class ScalarKind : std::uint8_t {
  float16,
  bfloat16,
  float32,
  float64,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64
};

std::string_view to_string(ScalarKind kind);  // "float16", as NumPy says it
std::size_t size_of(ScalarKind kind);         // in bytes
bool is_integer(ScalarKind kind);
// True when every number of this kind is exact in float16: such files lose nothing as float16 rows.
bool fits_float16(ScalarKind kind);

// Little-endian bytes -> float32; bytes.size() == out.size() * size_of(kind).
// REQUIRES: kind is float16, bfloat16, float32 or uint8.
void decode_floats(ScalarKind kind, std::span<const std::byte> bytes, std::span<float> out);

// Little-endian bytes -> int64. REQUIRES: is_integer(kind). A uint64 above the largest int64 becomes
// negative, which every caller refuses as it refuses other negative ids.
void decode_integers(ScalarKind kind, std::span<const std::byte> bytes, std::span<std::int64_t> out);

// IEEE 754 binary16 -> binary32, exact; subnormals, infinities and NaN included.
float float_from_half(std::uint16_t bits);

}  // namespace nestor::storage
