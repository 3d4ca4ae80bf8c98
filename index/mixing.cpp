#include "index/mixing.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace nestor::index {
namespace {

constexpr std::size_t kRounds = 2;
constexpr std::uint64_t kSeed = 0x6E6573746F720001ull;

float sign_of(std::uint64_t number) {
  std::uint64_t h = number * 0x9E3779B97F4A7C15ull + kSeed;
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
  return ((h ^ (h >> 31)) & 1) != 0 ? 1.0f : -1.0f;
}

// The Hadamard transform of n = 2^m values, not scaled.
void transform(float* x, std::size_t n) {
  for (std::size_t half = 1; half < n; half *= 2)
    for (std::size_t first = 0; first < n; first += 2 * half) {
      float* const a = x + first;
      float* const b = a + half;
      for (std::size_t i = 0; i < half; ++i) {
        const float sum = a[i] + b[i], difference = a[i] - b[i];
        a[i] = sum;
        b[i] = difference;
      }
    }
}

}  // namespace

// Where dim is no power of two the first block_ values are transformed and then the last block_, so that the two meet in
// the middle; the second round brings what was at one end to the other.
Mixing::Mixing(std::size_t dim) : dim_(dim), block_(std::bit_floor(dim)), signs_(2 * kRounds * block_) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(block_));
  for (std::size_t i = 0; i < signs_.size(); ++i) signs_[i] = scale * sign_of(i);
}

void Mixing::apply(const float* in, float* out) const {
  if (out != in) std::memcpy(out, in, dim_ * sizeof(float));
  const float* signs = signs_.data();
  for (std::size_t round = 0; round < kRounds; ++round)
    for (float* const block : {out, out + dim_ - block_}) {
      for (std::size_t i = 0; i < block_; ++i) block[i] *= signs[i];
      transform(block, block_);
      signs += block_;
      if (block_ == dim_) break;
    }
}

}  // namespace nestor::index
