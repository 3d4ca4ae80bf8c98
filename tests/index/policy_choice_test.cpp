#include "index/policy_choice.h"

#include <algorithm>

#include "index/error.h"
#include "index/exact_scan.h"
#include "index/generation_builder.h"
#include "index/ladder.h"
#include "index/prepared_vector.h"
#include "index/row_list.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::MemoryRecordStore;
using nestor::tests::nested_vectors;

namespace {

constexpr std::size_t kRows = 3000, kDim = 48;

struct Built {
  explicit Built(Metric metric, double wanted_recall) {
    options.dim = kDim;
    options.metric = metric;
    options.widths = {16, 32, 48};
    options.exact_below = 1;
    options = options.validated();
    auto rows = nested_vectors(kRows, kDim, 7);
    WriteOperation operation;
    operation.sequence = 1;
    operation.next_slot = kRows;
    for (std::size_t r = 0; r < kRows; ++r) {
      prepare_vector(options, {rows.data() + r * kDim, kDim}, rows.data() + r * kDim);
      operation.upserts.push_back(
          {PointId::number(r), static_cast<Slot>(r), kNoSlot, {rows.data() + r * kDim, kDim}, {}, {}});
    }
    records.write(operation);
    BuildOptions build;
    build.deterministic = true;
    build.wanted_recall = wanted_recall;
    built = build_generation(records, options, nullptr, build);
    generation = Generation::open(built->loaded(), options);
  }

  CollectionOptions options;
  MemoryRecordStore records;
  std::shared_ptr<BuiltGeneration> built;
  std::shared_ptr<const Generation> generation;
};

}  // namespace

TEST_CASE("a build chooses a gap for the wanted recall, says why, and searches go by it") {
  const Built modest(Metric::l2, 0.8), high(Metric::l2, 0.999);
  REQUIRE(modest.generation->default_gap());
  REQUIRE(high.generation->default_gap());
  CHECK(*modest.generation->default_gap() < *high.generation->default_gap());
  REQUIRE(modest.built->notes.size() == 1);
  CHECK(modest.built->notes[0].find("128 rows") != std::string::npos);
  CHECK(plan_ladder(modest.options, *modest.generation, {}).gap == *modest.generation->default_gap());
  SearchOptions own;
  own.distance_gap = 0.3f;
  CHECK(plan_ladder(modest.options, *modest.generation, own).gap == 0.3f);
}

TEST_CASE("a chosen policy finds what it was measured to find") {
  const Built b(Metric::cosine, 0.95);
  const PolicyChoice again = choose_policy(*b.generation, b.options, DeadSlots(), 0.95, 2);
  CHECK(again.policy.gap == *b.generation->default_gap());
  CHECK(again.policy.measured_recall >= 0.95f);
}

TEST_CASE("dot products get a gap too, which finds what was wanted and stops walks") {
  const Built b(Metric::dot, 0.98);
  REQUIRE(b.generation->default_gap());
  CHECK(b.built->notes.size() == 1);
  const auto queries = nested_vectors(100, kDim, 8);
  const RowFilter filter(*b.generation, DeadSlots(), {});
  const LadderPlan plan = plan_ladder(b.options, *b.generation, {});
  const std::vector<std::uint32_t> all = list_rows(*b.generation, DeadSlots(), {});
  std::size_t found = 0, stopped = 0;
  for (std::size_t q = 0; q < 100; ++q) {
    const auto query = prepare_query(b.options, *b.generation, {queries.data() + q * kDim, kDim}, {});
    const PreparedQuery* const asked[] = {&query};
    const auto truth = scan_generation({b.generation.get(), Metric::dot, kDim, asked, 10, false}, all);
    const RowAnswer answer = search_ladder(*b.generation, Metric::dot, query, plan, filter, 10, true);
    for (const RankedRow& r : answer.rows)
      found +=
          std::any_of(truth[0].rows.begin(), truth[0].rows.end(), [&](const RankedRow& t) { return t.row == r.row; });
    stopped += answer.stages.front().stopped_because == "distance gap";
  }
  CHECK(found >= 960);
  CHECK(stopped >= 50);
}

TEST_CASE("a policy survives its bytes and refuses others") {
  const DefaultPolicy policy{0.16f, 0.99f, 0.996f};
  auto bytes = policy.to_bytes();
  CHECK(DefaultPolicy::from_bytes(bytes).gap == policy.gap);
  CHECK(DefaultPolicy::from_bytes(bytes).measured_recall == policy.measured_recall);
  bytes.pop_back();
  CHECK_THROWS_AS(DefaultPolicy::from_bytes(bytes), Error);
  CHECK_THROWS_AS(DefaultPolicy::from_bytes({}), Error);
  CHECK_THROWS_AS(DefaultPolicy::from_bytes(DefaultPolicy{-1, 0.9f, 0.9f}.to_bytes()), Error);
}
