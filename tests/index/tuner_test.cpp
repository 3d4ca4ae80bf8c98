#include "index/tuner.h"

#include <memory>

#include "index/error.h"
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

constexpr std::size_t kDim = 32, kRows = 3000;

struct World {
  explicit World(Metric metric = Metric::l2) {
    options.dim = kDim;
    options.metric = metric;
    options.widths = {8, 16, 32};
    options.exact_below = 100;
    options.graph.candidates_at_build = 60;
    open();
    const auto rows = nested_vectors(kRows, kDim, 1);
    std::vector<Point> points;
    for (std::size_t i = 0; i < kRows; ++i)
      points.push_back({PointId::number(i), std::span(rows).subspan(i * kDim, kDim), {}, {}});
    collection->upsert(points);
    collection->build(deterministic_build());
  }
  void open() { collection = std::make_unique<Collection>("test", options, records, generations); }
  TuningRequest request(double recall) {
    queries = nested_vectors(400, kDim, 2);
    TuningRequest r;
    r.queries = queries;
    r.count = 400;
    r.wanted_recall = recall;
    r.threads = 1;
    return r;
  }
  // Recall@10 and distances of searches that say nothing about depth, on other queries.
  std::pair<double, double> searched() const {
    const auto fresh = nested_vectors(200, kDim, 3);
    double found = 0, compared = 0;
    for (std::size_t q = 0; q < 200; ++q) {
      const std::span query = std::span(fresh).subspan(q * kDim, kDim);
      SearchOptions search;
      search.explain = true;
      SearchOptions exact;
      exact.exact = true;
      const auto result = collection->search(query, search), truth = collection->search(query, exact);
      for (const Hit& hit : result.hits)
        found += std::any_of(truth.hits.begin(), truth.hits.end(), [&](const Hit& t) { return t.id == hit.id; });
      for (const StageReport& stage : result.stages) compared += static_cast<double>(stage.distance_evaluations);
    }
    return {found / 2000, compared / 200};
  }

  CollectionOptions options;
  std::shared_ptr<MemoryRecordStore> records = std::make_shared<MemoryRecordStore>();
  std::shared_ptr<MemoryGenerationStore> generations = std::make_shared<MemoryGenerationStore>();
  std::unique_ptr<Collection> collection;
  std::vector<float> queries;
};

}  // namespace

TEST_CASE("a tuned collection searches as deep as the wanted recall needs, until it is reset") {
  World world;
  const auto [recall_before, work_before] = world.searched();
  const TuningReport low = tune(*world.collection, world.request(0.8));
  CHECK(world.searched().second == work_before);  // nothing is stored yet
  REQUIRE(low.reached);
  CHECK(low.on_a.loss <= 0.2);
  CHECK(low.on_c.loss <= 0.25);  // 200 queries
  CHECK(low.chosen.recall == Approx(1 - low.on_c.loss));
  CHECK(low.chosen.queries == 200);
  const TuningReport high = tune(*world.collection, world.request(0.99));
  REQUIRE(high.reached);
  CHECK(high.on_c.evaluations > low.on_c.evaluations);

  world.collection->use_tuned_policy(low.chosen);
  const auto [recall_low, work_low] = world.searched();
  CHECK(recall_low == Approx(0.8).margin(0.08));
  CHECK(work_low < work_before);
  world.collection->use_tuned_policy(high.chosen);
  const auto [recall_high, work_high] = world.searched();
  CHECK(recall_high >= 0.98);
  CHECK(work_high > work_low);

  world.open();
  CHECK(world.collection->tuned_policy() == high.chosen);
  CHECK(world.searched().second == work_high);
  world.collection->build(deterministic_build());
  CHECK(world.searched().second == work_high);
  world.collection->use_tuned_policy(std::nullopt);
  CHECK(world.searched() == std::pair(recall_before, work_before));
  world.open();
  CHECK_FALSE(world.collection->tuned_policy());
}

TEST_CASE("what a search asks for goes before what was tuned, and another k takes the gap alone") {
  World world;
  TunedPolicy tuned;
  tuned.policy = {400, 0.01f, 12, 12, {}};
  world.collection->use_tuned_policy(tuned);
  const auto query = nested_vectors(1, kDim, 3);
  const auto work = [&](SearchOptions search) {
    search.explain = true;
    std::uint64_t compared = 0;
    for (const StageReport& stage : world.collection->search(query, search).stages)
      compared += stage.distance_evaluations;
    return compared;
  };
  SearchOptions nothing, gap, other;
  gap.distance_gap = 0.5f;
  other.k = 11;
  const std::uint64_t tuned_work = work(nothing), own_gap = work(gap), other_k = work(other);
  world.collection->use_tuned_policy(std::nullopt);
  CHECK(tuned_work < work(nothing));
  CHECK(own_gap == work(gap));
  CHECK(other_k < work(other));
}

TEST_CASE("a prefix that holds nearly all neighbours is proposed as the width of the graph") {
  World world;
  const TuningReport modest = tune(*world.collection, world.request(0.5));
  REQUIRE(modest.ceilings.size() == 3);
  CHECK(modest.graph_width == 32);
  CHECK(modest.shortlist == 60);
  for (std::size_t i = 1; i < modest.ceilings.size(); ++i)
    CHECK(modest.ceilings[i].recall >= modest.ceilings[i - 1].recall);
  CHECK(modest.ceilings.back().recall == 1);
  for (const double wanted : {0.5, 0.9, 0.999}) {
    const TuningReport report = tune(*world.collection, world.request(wanted));
    for (const WidthCeiling& c : report.ceilings) {
      INFO("wanted " << wanted << ", width " << c.width << " holds " << c.recall);
      const bool enough = 1 - c.recall <= (1 - wanted) / 4;
      CHECK_FALSE((c.width < report.proposed_width && enough));
      CHECK_FALSE((c.width == report.proposed_width && !enough));
    }
  }
}

TEST_CASE(
    "tuning takes rows where there are no queries, a latency instead of a recall, and refuses what makes no sense") {
  World world(Metric::dot);
  TuningRequest rows;
  rows.rows = 200;
  rows.threads = 1;
  rows.wanted_recall = 0.9;
  const TuningReport report = tune(*world.collection, rows);
  CHECK(report.on_a_queries + report.on_c_queries == 200);
  rows.max_latency_ms = 1e6;
  const TuningReport deep = tune(*world.collection, rows);
  CHECK(deep.reached);
  CHECK(deep.chosen.policy == safe_policy(world.collection->policy_space(10)));
  rows.max_latency_ms = 1e-9;
  const TuningReport shallow = tune(*world.collection, rows);
  CHECK_FALSE(shallow.reached);
  CHECK(shallow.on_c.evaluations < deep.on_c.evaluations);

  rows = {};
  rows.rows = 20;
  CHECK_THROWS_AS(tune(*world.collection, rows), Error);
  CHECK_THROWS_AS(tune(*world.collection, world.request(1)), Error);
  TuningRequest odd = world.request(0.9);
  odd.count = 399;
  CHECK_THROWS_AS(tune(*world.collection, odd), Error);
  const CollectionOptions options = world.options;
  Collection empty("empty", options, std::make_shared<MemoryRecordStore>(), std::make_shared<MemoryGenerationStore>());
  CHECK_THROWS_AS(tune(empty, world.request(0.9)), Error);
}
