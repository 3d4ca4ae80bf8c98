#include "index/distance_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace nestor::index {
namespace {

constexpr std::size_t kFewestByRadix = 200;
constexpr unsigned kDigitBits = 11, kKeyBits = 32;
constexpr std::uint32_t kDigits = 1u << kDigitBits;

// Unsigned numbers in the order of the distances.
std::uint32_t key_of_distance(float distance) {
  const auto bits = std::bit_cast<std::uint32_t>(distance + 0.0f);  // -0 becomes 0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

float distance_of_key(std::uint32_t key) {
  return std::bit_cast<float>((key & 0x80000000u) != 0 ? key & 0x7FFFFFFFu : ~key);
}

std::uint32_t high(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }

// By the upper half of the words; words of one upper half keep their order.
void sort_by_radix(std::uint64_t* words, std::uint64_t* other, std::size_t count) {
  std::array<std::uint32_t, kDigits> place;
  for (unsigned shift = 0; shift < kKeyBits; shift += kDigitBits) {
    place.fill(0);
    const auto digit = [&](std::uint64_t word) { return (high(word) >> shift) & (kDigits - 1); };
    for (std::size_t i = 0; i < count; ++i) ++place[digit(words[i])];
    if (place[digit(words[0])] != count) {  // else all agree in it
      std::uint32_t before = 0;
      for (std::uint32_t& p : place) before += std::exchange(p, before);
      for (std::size_t i = 0; i < count; ++i) other[place[digit(words[i])]++] = words[i];
      std::copy(other, other + count, words);
    }
  }
}

}  // namespace

void sort_by_distance(std::vector<RankedRow>& rows, std::vector<std::uint64_t>& scratch) {
  const std::size_t count = rows.size();
  scratch.resize(2 * count);
  std::uint64_t* const words = scratch.data();
  for (std::size_t i = 0; i < count; ++i)
    words[i] = std::uint64_t{key_of_distance(rows[i].distance)} << 32 | rows[i].row;
  if (count < kFewestByRadix) {
    std::sort(words, words + count);
  } else {
    sort_by_radix(words, words + count, count);
    for (std::size_t i = 0, end; i < count; i = end) {
      for (end = i + 1; end < count && high(words[end]) == high(words[i]);) ++end;
      if (end > i + 1) std::sort(words + i, words + end);
    }
  }
  for (std::size_t i = 0; i < count; ++i)
    rows[i] = {static_cast<std::uint32_t>(words[i]), distance_of_key(high(words[i]))};
}

}  // namespace nestor::index
