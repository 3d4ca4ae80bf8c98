#include "storage/import/scalar_kind.h"

#include <bit>
#include <cassert>
#include <cstring>

namespace nestor::storage {

static_assert(std::endian::native == std::endian::little, "import files are little-endian and read as they are");

std::string_view to_string(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::float16: return "float16";
    case ScalarKind::bfloat16: return "bfloat16";
    case ScalarKind::float32: return "float32";
    case ScalarKind::float64: return "float64";
    case ScalarKind::int8: return "int8";
    case ScalarKind::int16: return "int16";
    case ScalarKind::int32: return "int32";
    case ScalarKind::int64: return "int64";
    case ScalarKind::uint8: return "uint8";
    case ScalarKind::uint16: return "uint16";
    case ScalarKind::uint32: return "uint32";
    case ScalarKind::uint64: return "uint64";
  }
  return "unknown";
}

std::size_t size_of(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::int8:
    case ScalarKind::uint8: return 1;
    case ScalarKind::float16:
    case ScalarKind::bfloat16:
    case ScalarKind::int16:
    case ScalarKind::uint16: return 2;
    case ScalarKind::float32:
    case ScalarKind::int32:
    case ScalarKind::uint32: return 4;
    case ScalarKind::float64:
    case ScalarKind::int64:
    case ScalarKind::uint64: return 8;
  }
  return 0;
}

bool is_integer(ScalarKind kind) {
  return kind != ScalarKind::float16 && kind != ScalarKind::bfloat16 && kind != ScalarKind::float32 &&
         kind != ScalarKind::float64;
}

bool fits_float16(ScalarKind kind) {
  return kind == ScalarKind::float16 || kind == ScalarKind::uint8 || kind == ScalarKind::int8;
}

float float_from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7FFFu;
  if (magnitude >= 0x7C00u) {  // infinity and NaN keep their fraction
    return std::bit_cast<float>(sign | 0x7F800000u | ((magnitude & 0x3FFu) << 13));
  }
  // Shifted into place the exponent is 112 too small; multiplying by 2^112 repairs it and, being an
  // exact product, normalises the subnormals of binary16 on the way.
  const float scaled = std::bit_cast<float>(magnitude << 13) * std::bit_cast<float>(0x77800000u);
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

namespace {

template <class Number>
Number load(const std::byte* at) {
  Number number;
  std::memcpy(&number, at, sizeof number);
  return number;
}

template <class Number>
void widen(std::span<const std::byte> bytes, std::span<std::int64_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::int64_t>(load<Number>(bytes.data() + i * sizeof(Number)));
  }
}

}  // namespace

void decode_floats(ScalarKind kind, std::span<const std::byte> bytes, std::span<float> out) {
  assert(bytes.size() == out.size() * size_of(kind));
  if (out.empty()) return;
  switch (kind) {
    case ScalarKind::float32: std::memcpy(out.data(), bytes.data(), bytes.size()); return;
    case ScalarKind::float16:
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = float_from_half(load<std::uint16_t>(bytes.data() + 2 * i));
      return;
    case ScalarKind::bfloat16:  // the upper half of a float32
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = std::bit_cast<float>(std::uint32_t{load<std::uint16_t>(bytes.data() + 2 * i)} << 16);
      return;
    case ScalarKind::uint8:
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(std::to_integer<unsigned>(bytes[i]));
      return;
    default: assert(false && "openers let only float16, float32 and uint8 through");
  }
}

void decode_integers(ScalarKind kind, std::span<const std::byte> bytes, std::span<std::int64_t> out) {
  assert(bytes.size() == out.size() * size_of(kind));
  switch (kind) {
    case ScalarKind::int8: return widen<std::int8_t>(bytes, out);
    case ScalarKind::int16: return widen<std::int16_t>(bytes, out);
    case ScalarKind::int32: return widen<std::int32_t>(bytes, out);
    case ScalarKind::int64: return widen<std::int64_t>(bytes, out);
    case ScalarKind::uint8: return widen<std::uint8_t>(bytes, out);
    case ScalarKind::uint16: return widen<std::uint16_t>(bytes, out);
    case ScalarKind::uint32: return widen<std::uint32_t>(bytes, out);
    case ScalarKind::uint64: return widen<std::uint64_t>(bytes, out);
    default: assert(false && "openers let only integers through");
  }
}

}  // namespace nestor::storage
