#pragma once
// The synthetic nested data set: vectors whose leading coordinates carry most of the variance, as a Matryoshka-trained
// model's do, in clusters of unequal weight and width.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nestor::bench::ann {

struct SyntheticShape {
  std::size_t dim = 768;
  std::size_t centres = 2000;
  std::uint64_t seed = 42;
};

// Coordinate j has the scale sigma_j = (1 + j / 32)^-0.9. Centre c_k = sigma * N(0, I), its spread
// s_k = 1.1 exp(0.25 n), n ~ N(0, 1). A vector is c_k + s_k sigma * N(0, I), normalised, with k = floor(K u^1.5).
// Every vector depends on (seed, stream, number) alone: any of them can be made in any order, on any thread.
class SyntheticGenerator {
 public:
  explicit SyntheticGenerator(const SyntheticShape& shape);

  enum class Stream : std::uint64_t { centres = 1, base = 2, queries = 3 };
  // out: dim values. Thread-safe.
  void make(Stream stream, std::uint64_t number, float* out) const;
  // [count x dim], on all of `threads`.
  std::vector<float> make_all(Stream stream, std::size_t count, unsigned threads) const;

 private:
  SyntheticShape shape_;
  std::vector<float> scales_;   // sigma
  std::vector<float> centres_;  // [centres x dim]
  std::vector<float> spreads_;
};

}  // namespace nestor::bench::ann
