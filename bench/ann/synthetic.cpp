#include "bench/ann/synthetic.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "index/parallel.h"

namespace nestor::bench::ann {
namespace {

constexpr double kScaleUnit = 32, kDecay = 0.9;  // sigma_j = (1 + j / 32)^-0.9
constexpr double kSpread = 1.1, kSpreadSpread = 0.25;
constexpr double kPopularity = 1.5;  // k = K u^1.5: small numbers are the popular centres

// splitmix64 (Steele, Lea, Flood 2014).
class SplitMix {
 public:
  explicit SplitMix(std::uint64_t state) : state_(state) {}

  std::uint64_t bits() {
    state_ += 0x9E3779B97F4A7C15ull;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  // In (0, 1), never an end, so that its logarithm is finite.
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }

  // Box and Muller, both values of a pair used, in double before rounding.
  void normals(std::size_t count, float* out) {
    for (std::size_t j = 0; j < count; j += 2) {
      const double radius = std::sqrt(-2 * std::log(uniform()));
      const double angle = 2 * std::numbers::pi * uniform();
      out[j] = static_cast<float>(radius * std::cos(angle));
      if (j + 1 < count) out[j + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }

 private:
  std::uint64_t state_;
};

std::uint64_t scramble(std::uint64_t value) { return SplitMix(value).bits(); }

SplitMix numbered(std::uint64_t seed, std::uint64_t stream, std::uint64_t number) {
  return SplitMix(scramble(scramble(scramble(seed) ^ stream) ^ number));
}

}  // namespace

SyntheticGenerator::SyntheticGenerator(const SyntheticShape& shape)
    : shape_(shape), scales_(shape.dim), centres_(shape.centres * shape.dim), spreads_(shape.centres) {
  for (std::size_t j = 0; j < shape.dim; ++j)
    scales_[j] = static_cast<float>(std::pow(1.0 + static_cast<double>(j) / kScaleUnit, -kDecay));
  for (std::size_t k = 0; k < shape.centres; ++k) {
    SplitMix random = numbered(shape.seed, static_cast<std::uint64_t>(Stream::centres), k);
    float* centre = centres_.data() + k * shape.dim;
    random.normals(shape.dim, centre);
    for (std::size_t j = 0; j < shape.dim; ++j) centre[j] *= scales_[j];
    float pair[2];  // the second value is drawn, too, and left unused
    random.normals(2, pair);
    spreads_[k] = static_cast<float>(kSpread * std::exp(kSpreadSpread * static_cast<double>(pair[0])));
  }
}

void SyntheticGenerator::make(Stream stream, std::uint64_t number, float* out) const {
  SplitMix random = numbered(shape_.seed, static_cast<std::uint64_t>(stream), number);
  const auto drawn =
      static_cast<std::size_t>(static_cast<double>(shape_.centres) * std::pow(random.uniform(), kPopularity));
  const std::size_t k = std::min(drawn, shape_.centres - 1);
  random.normals(shape_.dim, out);
  const float* centre = centres_.data() + k * shape_.dim;
  double norm = 0;
  for (std::size_t j = 0; j < shape_.dim; ++j) {
    out[j] = centre[j] + spreads_[k] * scales_[j] * out[j];
    norm += static_cast<double>(out[j]) * out[j];
  }
  const auto inverse = static_cast<float>(1 / std::sqrt(norm));
  for (std::size_t j = 0; j < shape_.dim; ++j) out[j] *= inverse;
}

std::vector<float> SyntheticGenerator::make_all(Stream stream, std::size_t count, unsigned threads) const {
  std::vector<float> all(count * shape_.dim);
  index::parallel_blocks(count, 256, threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) make(stream, i, all.data() + i * shape_.dim);
  });
  return all;
}

}  // namespace nestor::bench::ann
