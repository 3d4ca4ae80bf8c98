// What more effort buys: a larger ef must never find less, whichever frontier serves it.
#include <set>

#include "index/collection.h"
#include "tests/index/collection_fixtures.h"
#include "tests/support/catch.h"

using namespace nestor::tests;

TEST_CASE("a larger ef finds more and compares more, with and without a gap, also beyond the sorted pool") {
  constexpr std::size_t kDim = 32, kRows = 6000, kQueries = 40, kTop = 10;
  CollectionOptions options;
  options.dim = kDim;
  options.metric = Metric::l2;
  options.widths = {kDim};
  options.graphs = {kDim};
  options.exact_below = 100;
  const auto rows = nested_vectors(kRows, kDim, 1), queries = nested_vectors(kQueries, kDim, 2);
  const auto collection = built_collection(options, rows);

  const auto found = [&](const SearchOptions& search, std::uint64_t& evaluations) {
    std::size_t hits = 0;
    for (std::size_t q = 0; q < kQueries; ++q) {
      const std::span<const float> query(queries.data() + q * kDim, kDim);
      SearchOptions exact;
      exact.k = kTop;
      exact.exact = true;
      std::set<PointId> truth;
      for (const Hit& hit : collection->search(query, exact).hits) truth.insert(hit.id);
      const QueryResult result = collection->search(query, search);
      for (const Hit& hit : result.hits) hits += truth.count(hit.id);
      evaluations += result.stages.front().distance_evaluations;
    }
    return hits;
  };
  for (const float gap : {0.0f, 1.0f}) {
    std::size_t last_found = 0;
    std::uint64_t last_evaluations = 0;
    for (const std::uint32_t ef : {20, 100, 400, 600, 2000}) {
      INFO("gap " << gap << ", ef " << ef);
      SearchOptions search;
      search.k = kTop;
      search.explain = true;
      search.candidates_to_explore = ef;
      search.distance_gap = gap;
      std::uint64_t evaluations = 0;
      const std::size_t hits = found(search, evaluations);
      CHECK(hits + 1 >= last_found);
      CHECK(evaluations * 10 >= last_evaluations * 9);
      last_found = hits;
      last_evaluations = evaluations;
    }
    CHECK(last_found >= kQueries * kTop - 2);
  }
}
