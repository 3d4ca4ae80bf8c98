#pragma once
// Seeded vectors for tests: clustered, with falling variance along the coordinates, like nested embeddings.
// The seed is printed by Catch2 on failure through INFO and can be set with NESTOR_TEST_SEED.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

namespace nestor::tests {

inline std::uint64_t test_seed() {
  const char* text = std::getenv("NESTOR_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 42;
}

inline std::vector<float> nested_vectors(std::size_t count, std::size_t dim, std::uint64_t stream) {
  std::mt19937_64 centre_rng(test_seed()), rng(test_seed() * 1000003 + stream);
  std::normal_distribution<float> normal;
  const std::size_t clusters = 20;
  std::vector<float> sigma(dim), centres(clusters * dim), out(count * dim);
  for (std::size_t j = 0; j < dim; ++j) sigma[j] = std::pow(1.0f + static_cast<float>(j) / 8.0f, -0.6f);
  for (std::size_t i = 0; i < centres.size(); ++i) centres[i] = sigma[i % dim] * normal(centre_rng);
  for (std::size_t r = 0; r < count; ++r) {
    const std::size_t c = rng() % clusters;
    for (std::size_t j = 0; j < dim; ++j) out[r * dim + j] = centres[c * dim + j] + 0.7f * sigma[j] * normal(rng);
  }
  return out;
}

}  // namespace nestor::tests
