#include "index/graph_repair.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "index/types.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;

namespace {

std::vector<bool> reached_from(std::uint32_t entry, const std::vector<std::uint32_t>& links, std::size_t degree) {
  std::vector<bool> reached(links.size() / degree, false);
  std::vector<std::uint32_t> open{entry};
  reached[entry] = true;
  while (!open.empty()) {
    const std::uint32_t row = open.back();
    open.pop_back();
    for (std::size_t i = 0; i < degree && links[row * degree + i] != kNoSlot; ++i) {
      const std::uint32_t next = links[row * degree + i];
      if (!reached[next]) open.push_back(next);
      reached[next] = true;
    }
  }
  return reached;
}

}  // namespace

TEST_CASE("every row can be reached after a repair, whatever the links were") {
  const std::size_t rows = 500;
  std::vector<std::uint32_t> all(rows);
  std::iota(all.begin(), all.end(), 0u);
  for (const std::size_t degree : {2, 3, 8})
    for (const int kind : {0, 1, 2}) {
      INFO("degree " << degree << ", kind " << kind << ", seed " << nestor::tests::test_seed());
      std::mt19937_64 rng(nestor::tests::test_seed() + degree);
      std::vector<std::uint32_t> links(rows * degree, kNoSlot);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t i = 0; i < degree; ++i) {
          if (kind == 0) break;                                         // none at all
          const std::size_t group = kind == 1 ? 10 : rows;              // only within small groups, or anywhere
          links[r * degree + i] = static_cast<std::uint32_t>(r / group * group + rng() % group);
        }
      const std::size_t added = connect_all(links, degree, 123, all);
      const auto reached = reached_from(123, links, degree);
      CHECK(std::count(reached.begin(), reached.end(), true) == static_cast<std::ptrdiff_t>(rows));
      if (kind != 2) CHECK(added > 0);
      CHECK(connect_all(links, degree, 123, all) == 0);
    }
}
