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
  explicit Built(Metric metric, double wanted_recall, std::span<const float> queries = {}) {
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
    build.queries = queries;
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
  REQUIRE(modest.built->policy);
  CHECK(modest.built->notes.back() == modest.built->policy->choice);
  CHECK(modest.built->notes.back().find("800 rows") != std::string::npos);
  CHECK(plan_ladder(modest.options, *modest.generation, {}).gap == *modest.generation->default_gap());
  SearchOptions own;
  own.distance_gap = 0.3f;
  CHECK(plan_ladder(modest.options, *modest.generation, own).gap == 0.3f);
}

TEST_CASE("a chosen policy finds what it was measured to find, and its interval holds the measured recall") {
  const Built b(Metric::cosine, 0.95);
  const DefaultPolicy& policy = *b.generation->default_policy();
  CHECK(policy.reached);
  CHECK(policy.low >= 0.95f);
  CHECK(policy.low <= policy.measured_recall);
  CHECK(policy.measured_recall <= policy.high);
  const RecallQuestions asked = ask_exactly(b.generation->matrix(), list_rows(*b.generation, DeadSlots(), {}), b.options,
                                            {}, 800, 2);
  const DefaultPolicy again = choose_policy(*b.generation, b.options, DeadSlots(), asked, 0.95, 2);
  CHECK(again.gap == policy.gap);
  CHECK(again.measured_recall == policy.measured_recall);
}

TEST_CASE("queries that a build is given are what it measures by") {
  const auto queries = nested_vectors(300, kDim, 9);
  const Built by_rows(Metric::l2, 0.9), by_queries(Metric::l2, 0.9, queries);
  CHECK_FALSE(by_rows.generation->default_policy()->asked_queries);
  CHECK(by_queries.generation->default_policy()->asked_queries);
  CHECK(by_queries.generation->default_policy()->queries == 300);
}

TEST_CASE("dot products get a gap too, which finds what was wanted and stops walks") {
  const Built b(Metric::dot, 0.98);
  REQUIRE(b.generation->default_gap());
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
  DefaultPolicy policy;
  policy.gap = 0.16f;
  policy.explore = 800;
  policy.beam = 32;
  policy.wanted_recall = 0.99f;
  policy.measured_recall = 0.996f;
  policy.low = 0.991f;
  policy.reached = policy.scans = policy.asked_queries = true;
  policy.choice = "walks over codes";
  auto bytes = policy.to_bytes();
  const DefaultPolicy back = DefaultPolicy::from_bytes(bytes);
  CHECK(back.gap == policy.gap);
  CHECK(back.explore == 800);
  CHECK(back.beam == 32);
  CHECK(back.measured_recall == policy.measured_recall);
  CHECK(back.low == policy.low);
  CHECK((back.reached && back.scans && back.asked_queries));
  CHECK_FALSE(back.folded);
  CHECK(back.choice == policy.choice);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    CHECK_THROWS_AS(DefaultPolicy::from_bytes(std::span(bytes).first(length)), Error);
  policy.gap = -1;
  CHECK_THROWS_AS(DefaultPolicy::from_bytes(policy.to_bytes()), Error);
}

TEST_CASE("a policy of version 1 is read, and known not to be measured well") {
  const struct {
    std::uint32_t version = 1;
    float gap = 0.16f, wanted = 0.99f, measured = 0.996f;
  } first;
  const DefaultPolicy policy = DefaultPolicy::from_bytes(std::as_bytes(std::span(&first, 1)));
  CHECK(policy.gap == 0.16f);
  CHECK(policy.measured_recall == 0.996f);
  CHECK(policy.queries == 0);
  CHECK(policy.explore == 400);
}
