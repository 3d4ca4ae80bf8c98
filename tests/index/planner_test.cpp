#include "index/planner.h"

#include <algorithm>

#include "index/generation_builder.h"
#include "index/prepared_vector.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

using namespace nestor::tests;

namespace {

BuildOptions deterministic_build() {
  BuildOptions build;
  build.threads = 1;
  build.deterministic = true;
  return build;
}

constexpr std::uint32_t kDim = 32;
constexpr std::size_t kRows = 6000;

struct Built {
  Built() {
    options.dim = kDim;
    options.metric = Metric::l2;
    options.exact_below = 100;
    options = options.validated();
    const auto rows = nested_vectors(kRows, kDim, 3);
    WriteOperation operation;
    operation.sequence = 1;
    operation.next_slot = kRows;
    for (std::size_t r = 0; r < kRows; ++r)
      operation.upserts.push_back(
          {PointId::number(r), static_cast<Slot>(r), kNoSlot, {rows.data() + r * kDim, kDim}, {}, {}});
    records.write(operation);
    built = build_generation(records, options, nullptr, deterministic_build());
    generation = Generation::open(built->loaded(), options);
  }
  LadderPlan plan(const SearchOptions& search, PlannedQueries queries) const {
    queries.k = search.k;
    LadderPlan out = plan_ladder(options, *generation, search);
    plan_walk_or_scan(out, *generation, search, queries);
    return out;
  }
  SearchOptions asking(std::uint32_t k) const {
    SearchOptions search;
    search.k = k;
    return search;
  }

  CollectionOptions options;
  MemoryRecordStore records;
  std::shared_ptr<BuiltGeneration> built;
  std::shared_ptr<const Generation> generation;
};

}  // namespace

TEST_CASE("the planner's choices follow rows, k, batch and filter") {
  const Built b;
  const WalkEffort& effort = b.generation->graphs().front().effort;
  CHECK(effort.evaluations(64) > 64);
  CHECK(effort.evaluations(512) > effort.evaluations(64));
  CHECK(effort.evaluations(1e9) <= kRows);
  CHECK(effort.evaluations_to_gap(10) < kRows);

  // Nothing grows cheaper with more rows or a larger k, and a query of a batch is cheaper than one alone.
  const auto cost = [&](std::size_t count, std::size_t allowed, std::uint32_t k) {
    return scan_cost(*b.generation, kDim, {count, allowed, k, true, true});
  };
  CHECK(cost(1, 1000, 10) < cost(1, 2000, 10));
  CHECK(cost(64, 2000, 10) < cost(1, 2000, 10));
  CHECK(cost(64, 2000, 10) < cost(64, 2000, 100));

  CHECK(b.plan(b.asking(10), {1, 50, 10, true, true}).exact);           // a small set
  CHECK(b.plan(b.asking(1000), {64, kRows, 1000, false, true}).exact);  // k is a sixth of all rows
  SearchOptions walk = b.asking(1000);
  walk.candidates_to_explore = 1000;
  CHECK_FALSE(b.plan(walk, {64, kRows, 1000, false, true}).exact);  // but a walk that is asked for is walked
  SearchOptions exact = b.asking(10);
  exact.exact = true;
  CHECK(b.plan(exact, {1, kRows, 10, false, true}).exact);
}

TEST_CASE("a walk under a filter is to find one and a half shortlists, and never ends at the gap") {
  const Built b;
  SearchOptions search = b.asking(10);
  const LadderPlan half = b.plan(search, {1, kRows / 2, 10, true, true});
  CHECK(half.gap == 0);
  CHECK(half.explore >= 3 * half.keep);
  const LadderPlan tenth = b.plan(search, {1, kRows / 10, 10, true, true});
  CHECK(tenth.explore >= 15 * tenth.keep);
  CHECK(tenth.pool >= tenth.explore);
  search.candidates_to_explore = 33;
  CHECK(b.plan(search, {1, kRows / 2, 10, true, true}).explore == 33);
}
