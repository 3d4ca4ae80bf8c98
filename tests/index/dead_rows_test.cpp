// Rows that died stay in the graph until a compaction. They lead a walk on, but must not use up what it may spend.
#include <algorithm>
#include <random>
#include <set>

#include "index/collection.h"
#include "index/live_share.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using namespace nestor::tests;

namespace {

constexpr std::uint32_t kDim = 48;
constexpr std::size_t kQueries = 200;

struct Rows {
  explicit Rows(Metric metric, std::size_t count) {
    CollectionOptions options;
    options.dim = kDim;
    options.widths = {48};
    options.graphs = {48};
    options.metric = metric;
    options.graph.candidates_at_build = 200;  // graphs that lose little by themselves
    options.exact_below = 100;
    collection = std::make_unique<Collection>("test", options, std::make_shared<MemoryRecordStore>(),
                                              std::make_shared<MemoryGenerationStore>());
    const auto rows = nested_vectors(count, kDim, 1);
    std::vector<Point> points;
    for (std::size_t i = 0; i < count; ++i) points.push_back({PointId::number(i), {rows.data() + i * kDim, kDim}, {}, {}});
    collection->upsert(points);
    build();
  }
  void build() {
    BuildOptions build;
    build.deterministic = true;
    collection->build(build);
  }
  std::span<const float> query(std::size_t q) const { return {queries.data() + q * kDim, kDim}; }

  // Of a walk with limits of its own: a default search of so few rows would scan them.
  double recall() const {
    std::size_t found = 0;
    for (std::size_t q = 0; q < kQueries; ++q) {
      SearchOptions search;
      search.exact = true;
      std::set<PointId> truth;
      for (const Hit& hit : collection->search(query(q), search).hits) truth.insert(hit.id);
      search.exact = false;
      if (collection->options().metric == Metric::dot)
        search.candidates_to_explore = 60;
      else
        search.distance_gap = 0.15f;
      for (const Hit& hit : collection->search(query(q), search).hits) found += truth.count(hit.id);
    }
    return static_cast<double>(found) / (10.0 * kQueries);
  }

  std::vector<float> queries = nested_vectors(kQueries, kDim, 9);
  std::unique_ptr<Collection> collection;
};

}  // namespace

TEST_CASE("with half of its rows dead a graph finds as much as one of the living alone") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  for (const Metric metric : {Metric::l2, Metric::cosine, Metric::dot}) {
    Rows rows(metric, 8000);
    std::mt19937_64 random(test_seed());
    std::vector<PointId> gone;
    for (std::uint64_t id = 0; id < 8000; ++id)
      if (random() % 2 == 0) gone.push_back(PointId::number(id));
    const double before = rows.recall();
    rows.collection->erase(gone);
    const double with_dead = rows.recall();
    rows.build();
    const double alone = rows.recall();
    INFO(to_string(metric) << ": before " << before << ", with the dead " << with_dead << ", alone " << alone);
    CHECK(alone > 0.9);
    CHECK(with_dead >= std::min(before, alone) - 0.005);
  }
}

TEST_CASE("deaths that gather around the queries cost no recall") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  for (const Metric metric : {Metric::l2, Metric::cosine, Metric::dot}) {
    Rows rows(metric, 8000);
    std::set<PointId> gone;
    for (std::size_t q = 0; q < kQueries / 10; ++q) {
      SearchOptions search;
      search.exact = true;
      search.k = 60;
      for (const Hit& hit : rows.collection->search(rows.query(q), search).hits) gone.insert(hit.id);
    }
    const double before = rows.recall();
    rows.collection->erase(std::vector<PointId>(gone.begin(), gone.end()));
    const double with_dead = rows.recall();
    rows.build();
    const double alone = rows.recall();
    INFO(to_string(metric) << ": before " << before << ", with the dead " << with_dead << ", alone " << alone);
    CHECK(with_dead >= std::min(before, alone) - 0.005);
  }
}

TEST_CASE("the share of the living is counted again when enough have died") {
  Rows rows(Metric::l2, 1000);
  std::vector<PointId> gone;
  for (std::uint64_t id = 0; id < 400; ++id) gone.push_back(PointId::number(id));
  rows.collection->erase(gone);
  SearchOptions search;
  search.explain = true;
  search.distance_gap = 0.15f;
  const auto compared = [&] {
    std::uint64_t evaluations = 0;
    for (const StageReport& stage : rows.collection->search(rows.query(0), search).stages)
      if (stage.name == "walk") evaluations += stage.distance_evaluations;
    return evaluations;
  };
  const std::uint64_t before = compared();
  gone.clear();
  for (std::uint64_t id = 400; id < 800; ++id) gone.push_back(PointId::number(id));
  rows.collection->erase(gone);
  CHECK(compared() > before);
}
