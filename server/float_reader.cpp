#include "server/float_reader.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "server/json_view.h"

namespace nestor::server {
namespace {

static_assert(std::endian::native == std::endian::little, "eight digits are read as one little-endian word");

constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::ptrdiff_t kMostFraction = 22;  // powers of ten above are no doubles
constexpr std::ptrdiff_t kMostDigits = 19;    // fit 64 bits, whatever they are

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

// The top bit of each byte that is no digit.
std::uint64_t other_than_digits(std::uint64_t word) {
  const std::uint64_t t = word ^ 0x3030303030303030ull;
  return (((t & 0x7F7F7F7F7F7F7F7Full) + 0x7676767676767676ull) | t) & 0x8080808080808080ull;
}

// Eight digits without their '0', the first in the lowest byte: pairs, then fours, then all.
std::uint64_t eight_digits(std::uint64_t word) {
  word = word * 10 + (word >> 8);
  constexpr std::uint64_t kMask = 0x000000FF000000FFull;
  return static_cast<std::uint32_t>(
      ((word & kMask) * 0x000F424000000064ull + ((word >> 16) & kMask) * 0x0000271000000001ull) >> 32);
}

// Appends the digits at `at` to the mantissa, which wraps around when there are too many. That their number varies must
// cost no branch: a wrongly guessed one takes as long as all else.
const char* read_digits(const char* at, const char* end, std::uint64_t& mantissa) {
  constexpr std::uint64_t kSteps[] = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000, 10'000'000};
  while (end - at >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    const std::uint64_t others = other_than_digits(word);
    word -= 0x3030303030303030ull;  // right up to the first that is no digit
    if (others == 0) {
      mantissa = mantissa * 100'000'000 + eight_digits(word);
      at += 8;
      continue;
    }
    const int count = std::countr_zero(others) / 8;
    const int half = 4 * (8 - count);  // in two steps: shifting by all 64 bits at once is not defined
    mantissa = mantissa * kSteps[count] + eight_digits(word << half << half);
    return at + count;
  }
  for (; at != end && is_digit(*at); ++at) mantissa = mantissa * 10 + static_cast<unsigned>(*at - '0');
  return at;
}

// REQUIRES a number in JSON's grammar.
float read_exactly(const char* begin, const char* end) {
  float value = 0;
  if (std::from_chars(begin, end, value).ec == std::errc()) return value;
  // Out of range, at one end or the other.
  const bool negative = *begin == '-';
  double wide = 0;
  const bool fits_double = std::from_chars(begin, end, wide).ec == std::errc();
  const bool large =
      fits_double ? std::abs(wide) > 1 : number_overflows({begin, static_cast<std::size_t>(end - begin)});
  value = large ? std::numeric_limits<float>::infinity() : 0.0f;
  return negative ? -value : value;
}

// Past the exponent; nullptr when it has no digits.
const char* skip_exponent(const char* at, const char* end) {
  ++at;
  if (at != end && (*at == '+' || *at == '-')) ++at;
  if (at == end || !is_digit(*at)) return nullptr;
  while (at != end && is_digit(*at)) ++at;
  return at;
}

// Digits from the first that is not zero, at least: enough to know that 64 bits hold them.
bool too_many_digits(const char* digits, std::ptrdiff_t whole, std::ptrdiff_t fraction) {
  if (whole - (*digits == '0') + fraction <= kMostDigits) return false;  // whole > 1 has no zero first
  if (whole > 1 || *digits != '0') return true;
  const char* at = digits + 2;  // behind "0."
  while (fraction > 0 && *at == '0') {
    ++at;
    --fraction;
  }
  return fraction > kMostDigits;
}

}  // namespace

const char* read_float(const char* at, const char* end, float& value) {
  const char* const begin = at;
  const bool negative = at != end && *at == '-';
  at += negative;  // no branch: signs are random
  const char* const digits = at;
  std::uint64_t mantissa = 0;
  for (; at != end && is_digit(*at); ++at) mantissa = mantissa * 10 + static_cast<unsigned>(*at - '0');
  const std::ptrdiff_t whole = at - digits;
  if (whole == 0 || (whole > 1 && *digits == '0')) return nullptr;
  std::ptrdiff_t fraction = 0;
  if (at != end && *at == '.') {
    const char* const first = ++at;
    at = read_digits(at, end, mantissa);
    fraction = at - first;
    if (fraction == 0) return nullptr;
  }
  if (at != end && (*at | 0x20) == 'e') {
    at = skip_exponent(at, end);
    if (at) value = read_exactly(begin, at);
    return at;
  }
  if (fraction > kMostFraction || too_many_digits(digits, whole, fraction)) {
    value = read_exactly(begin, at);
    return at;
  }
  // The mantissa and the quotient are each rounded once, so this is within 2 units in the last place of a double. It
  // rounds to the same float32 as the exact value unless the middle between two of them lies that near: 29 bits are
  // dropped, and the middle is where the first of them is set alone. Below the smallest normal number more are.
  const double nearly = static_cast<double>(mantissa) / kPowers[fraction];
  const auto dropped = std::bit_cast<std::uint64_t>(nearly) & 0x1FFFFFFF;
  if (dropped - 0x0FFFFFFC <= 8 || (nearly < 1.2e-38 && mantissa != 0)) {
    value = read_exactly(begin, at);
    return at;
  }
  const auto magnitude = std::bit_cast<std::uint32_t>(static_cast<float>(nearly));
  value = std::bit_cast<float>(magnitude | std::uint32_t{negative} << 31);
  return at;
}

}  // namespace nestor::server
