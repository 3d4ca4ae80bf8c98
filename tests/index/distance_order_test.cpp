#include "index/distance_order.h"

#include <algorithm>

#include <limits>
#include <random>

#include "tests/support/catch.h"

using namespace nestor::index;

namespace {

bool same(const std::vector<RankedRow>& a, const std::vector<RankedRow>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const RankedRow& x, const RankedRow& y) { return x.row == y.row && x.distance == y.distance; });
}

}  // namespace

TEST_CASE("rows are sorted by distance as plain comparisons sort them, ties by row") {
  std::mt19937 random(5);
  std::vector<std::uint64_t> scratch;
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> odd = {0.0f, -0.0f, 1e-42f, -1e-42f, infinity, -infinity, 3e38f, -3e38f, 1.0f};
  for (const std::size_t count : {0u, 1u, 2u, 50u, 199u, 200u, 201u, 1500u}) {
    for (const int kind : {0, 1, 2, 3}) {
      std::vector<RankedRow> rows(count);
      for (std::size_t i = 0; i < count; ++i) {
        rows[i].row = static_cast<std::uint32_t>(count - i);
        const auto any = static_cast<float>(random());
        switch (kind) {
          case 0: rows[i].distance = any / 1e8f; break;                            // many sizes
          case 1: rows[i].distance = static_cast<float>(random() % 7) - 3; break;  // ties, both signs
          case 2: rows[i].distance = 50 + any / 1e12f; break;                      // all alike in the upper bits
          default: rows[i].distance = odd[random() % odd.size()];
        }
      }
      std::vector<RankedRow> expected = rows;
      std::sort(expected.begin(), expected.end(), [](const RankedRow& a, const RankedRow& b) {
        return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
      });
      sort_by_distance(rows, scratch);
      INFO(count << " rows, kind " << kind);
      CHECK(same(rows, expected));
    }
  }
}
