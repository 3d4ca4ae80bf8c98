// Rows so far out in one coordinate that their codes are clipped seem nearer than they are. A scan by codes must know
// that, or it takes them for proof that nothing farther can be among the nearest.
#include <algorithm>

#include "index/collection.h"
#include "tests/index/collection_fixtures.h"
#include "tests/support/catch.h"

using namespace nestor::tests;

TEST_CASE("a filtered search among outliers finds what an exact one finds") {
  constexpr std::size_t kDim = 256, kRows = 3000, kFar = 12, kTop = 10;
  CollectionOptions options;
  options.dim = kDim;
  options.metric = Metric::l2;
  options.exact_below = 100;
  auto rows = nested_vectors(kRows, kDim, 1);
  const auto query = nested_vectors(1, kDim, 2);
  const float spike = GENERATE(6.0f, 8.0f, 10.0f, 14.0f);
  for (std::size_t r = 0; r < kFar; ++r) {
    std::copy(query.begin(), query.end(), rows.begin() + static_cast<std::ptrdiff_t>(r * kDim));
    rows[r * kDim] += spike + 0.01f * static_cast<float>(r);
  }
  rows[kFar * kDim] += 30;  // the largest error of all, beside which those of the spiked rows are known well
  const auto collection = built_collection(options, rows);

  // Of the others those that are a little nearer than the spiked ones, and none that is much nearer.
  SearchOptions search;
  search.k = kRows;
  search.exact = true;
  std::vector<std::uint64_t> allowed((kRows + 63) / 64);
  std::size_t nearer = 0;
  for (const Hit& hit : collection->search(query, search).hits) {
    const bool spiked = hit.slot<kFar, near = hit.distance> 0.6f * spike * spike && hit.distance < spike * spike;
    if (!spiked && (!near || ++nearer > 100)) continue;
    allowed[hit.slot / 64] |= std::uint64_t{1} << (hit.slot % 64);
  }
  search.k = kTop;
  search.allowed_slots = allowed;
  const auto exact = collection->search(query, search).hits;
  search.exact = false;
  search.explain = true;
  const auto found = collection->search(query, search);
  CAPTURE(spike, nearer);
  REQUIRE(found.stages.front().name == "scan");
  REQUIRE(found.hits.size() == exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) CHECK(found.hits[i].id == exact[i].id);
}
