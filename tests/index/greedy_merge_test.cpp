#include "index/greedy_merge.h"

#include <numeric>
#include <random>
#include <vector>

#include "index/error.h"
#include "tests/support/catch.h"

namespace nestor::index {
namespace {

bool refuses(const MergeInput& input) {
  try {
    greedy_merge(input);
  } catch (const Error& e) {
    return e.code() == ErrorCode::invalid_argument;
  }
  return false;
}

}  // namespace

TEST_CASE("rows that are near and say the same become one with their weight", "[greedy_merge]") {
  // 0, 1, 2 are near each other and say 7; 3 is near them and says 8; 4 is alone.
  const std::vector<std::uint32_t> values{7, 7, 7, 8, 7};
  const std::vector<std::uint32_t> neighbours{0, 1, 2, 3, 1, 0, 2, 3,      2,      0,
                                              1, 3, 3, 0, 1, 2, 4, kNoRow, kNoRow, kNoRow};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto weights = greedy_merge({values, neighbours, seed});
    CHECK(weights[0] + weights[1] + weights[2] == 3);
    CHECK(std::max({weights[0], weights[1], weights[2]}) == 3);
    CHECK(weights[3] == 1);
    CHECK(weights[4] == 1);
  }
}

TEST_CASE("a row that took others over is not merged itself", "[greedy_merge]") {
  // A chain: each row's only neighbour is the one before it.
  const std::vector<std::uint32_t> values(4, 1);
  const std::vector<std::uint32_t> neighbours{kNoRow, 0, 1, 2};
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    for (const std::uint32_t weight : greedy_merge({values, neighbours, seed})) CHECK(weight <= 2);
}

TEST_CASE("weights add up to the rows, and one seed gives one answer", "[greedy_merge]") {
  std::mt19937 random(1);
  const std::size_t rows = 500, k = 5;
  std::vector<std::uint32_t> values(rows), neighbours(rows * k);
  for (auto& v : values) v = random() % 4;
  for (auto& v : neighbours) v = random() % rows;
  const auto weights = greedy_merge({values, neighbours, 9});
  CHECK(std::accumulate(weights.begin(), weights.end(), 0u) == rows);
  CHECK(weights == greedy_merge({values, neighbours, 9}));
  CHECK(weights != greedy_merge({values, neighbours, 10}));
}

TEST_CASE("greedy merge refuses lists that do not fit", "[greedy_merge]") {
  const std::vector<std::uint32_t> values{1, 2}, odd{0, 1, 1}, outside{0, 2};
  CHECK(refuses({values, odd, 1}));
  CHECK(refuses({values, outside, 1}));
  CHECK(refuses({{}, odd, 1}));
  CHECK(greedy_merge({}).empty());
}

}  // namespace nestor::index
