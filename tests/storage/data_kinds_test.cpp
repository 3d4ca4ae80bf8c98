// What every search must hold on data of every kind. The kinds are those of tests/support/data_kinds.h; the exact
// neighbours are found there, too, and not by Nestor.
#include "tests/support/data_kinds.h"

#include <algorithm>
#include <set>

#include "tests/storage/database_fixtures.h"
#include "tests/support/catch.h"
#include "tests/support/exact_answers.h"

namespace nestor::tests {
namespace {

constexpr std::size_t kQueries = 100, kFew = 20, kNeighbours = 10;
constexpr double kLeastRecall = 0.95, kSlack = 0.005;

// Small enough to build within a second, large enough for graphs to matter.
KindRequest small(const DataKind& kind) {
  KindRequest request{.rows = kind.dim > 200 ? 3000u : 6000u, .queries = kQueries, .seed = test_seed()};
  if (kind.dim > 512) request.dim = 512;
  return request;
}

// Rows of a kind in graphs, beside their exact neighbours.
class BuiltKind {
 public:
  BuiltKind(const DataKind& kind, Metric metric, Rotation rotation)
      : data_(make_data(kind, small(kind))),
        truth_({metric, data_.dim, data_.base, data_.asked}, kNeighbours),
        database_(Database::open(directory_.path(), quiet())) {
    CollectionOptions options;
    options.dim = data_.dim;
    options.metric = metric;
    options.rotation = rotation;
    options.exact_below = 100;
    collection_ = database_->create_collection("kind", options);
    std::vector<Point> points;
    for (std::size_t i = 0; i < data_.rows; ++i) points.push_back({PointId::number(i), data_.row(i), {}, {}});
    collection_->upsert(points);
    report_ = build(*collection_);
  }

  std::uint32_t rows() const { return static_cast<std::uint32_t>(data_.rows); }
  const std::vector<std::string>& notes() const { return report_.notes; }

  // Mean over the first `queries`.
  double recall(SearchOptions search, std::size_t queries = kQueries) const {
    search.k = kNeighbours;
    double sum = 0;
    for (std::size_t q = 0; q < queries; ++q) {
      std::vector<std::uint64_t> ids;
      for (const Hit& hit : collection_->search(data_.query(q), search).hits) ids.push_back(hit.id.low);
      sum += truth_.recall(q, kNeighbours, ids);
    }
    return sum / static_cast<double>(queries);
  }
  double recall_of_walk(std::uint32_t explored, std::size_t queries = kQueries) const {
    SearchOptions search;
    search.candidates_to_explore = explored;
    return recall(search, queries);
  }

 private:
  TemporaryDirectory directory_;
  KindData data_;
  ExactAnswers truth_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  BuildReport report_;
};

void check_searches(const DataKind& kind, Metric metric, Rotation rotation) {
  const BuiltKind built(kind, metric, rotation);
  CAPTURE(kind.name, to_string(metric), to_string(rotation), test_seed(), built.notes());
  SearchOptions exact;
  exact.exact = true;
  CHECK(built.recall(exact) == 1);
  CHECK(built.recall({}) >= kLeastRecall);
  double best = 0;
  for (const std::uint32_t explored : {50u, 100u, 200u, 400u}) {
    CAPTURE(explored);
    const double recall = built.recall_of_walk(explored);
    CHECK(recall >= best - kSlack);
    best = std::max(best, recall);
  }
  CHECK(built.recall_of_walk(built.rows(), kFew) == 1);  // everything was looked at
}

std::set<std::string>& tested_kinds() {
  static std::set<std::string> names;
  return names;
}

struct KindIsTested {
  explicit KindIsTested(const char* name) { tested_kinds().insert(name); }
};

void check_kind(const char* name, std::initializer_list<Rotation> rotations) {
  const DataKind& kind = data_kind(name);
  for (const Metric metric : kind.metrics)
    for (const Rotation rotation : rotations) check_searches(kind, metric, rotation);
}

}  // namespace

// A test case for each kind, so that ctest names those that fail.
#define FINDS_NEIGHBOURS(kind, ...)                                                             \
  const KindIsTested kind##_is_tested(#kind);                                                   \
  TEST_CASE("searches hold their recall, and more depth never finds less: " #kind, "[kinds]") { \
    check_kind(#kind, {__VA_ARGS__});                                                           \
  }

FINDS_NEIGHBOURS(nested, Rotation::none)
FINDS_NEIGHBOURS(near_duplicates, Rotation::none)
FINDS_NEIGHBOURS(noisy_copies, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(exact_copies, Rotation::none)
FINDS_NEIGHBOURS(one_row_many_times, Rotation::none)
FINDS_NEIGHBOURS(sorted_clusters, Rotation::none)
FINDS_NEIGHBOURS(one_large_coordinate, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(two_large_coordinates, Rotation::none)
FINDS_NEIGHBOURS(far_origin, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(very_far_origin, Rotation::none)
FINDS_NEIGHBOURS(constant_prefix, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(outside_queries, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(long_rows, Rotation::none)
FINDS_NEIGHBOURS(one_endless_row, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(two_scales, Rotation::none)
FINDS_NEIGHBOURS(tiny_scale, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(huge_scale, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(denormals, Rotation::none)
FINDS_NEIGHBOURS(heavy_tails, Rotation::none)
FINDS_NEIGHBOURS(flat_spectrum, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(flat_spectrum_1024, Rotation::none)
FINDS_NEIGHBOURS(steep_spectrum, Rotation::none)
FINDS_NEIGHBOURS(informative_last, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(low_dimension, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(one_dimension, Rotation::none)
FINDS_NEIGHBOURS(line, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(sorted_line, Rotation::none)
FINDS_NEIGHBOURS(sphere, Rotation::none)
FINDS_NEIGHBOURS(sparse, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(sparse_words, Rotation::none)
FINDS_NEIGHBOURS(one_hot, Rotation::none, Rotation::pca)
FINDS_NEIGHBOURS(one_hot_weighted, Rotation::none)
FINDS_NEIGHBOURS(plus_minus_one, Rotation::none)
FINDS_NEIGHBOURS(counts, Rotation::none)

TEST_CASE("every kind of data is tested", "[kinds]") {
  for (const DataKind& kind : data_kinds()) {
    CAPTURE(kind.name);
    CHECK(tested_kinds().contains(std::string(kind.name)));
  }
}

TEST_CASE("a kind of data follows from its seed, and no query is a row", "[kinds]") {
  for (const DataKind& kind : data_kinds()) {
    CAPTURE(kind.name);
    const KindRequest request{.rows = 400, .queries = 20, .seed = 7};
    const KindData data = make_data(kind, request), again = make_data(kind, request);
    CHECK(data.base == again.base);
    CHECK(data.asked == again.asked);
    CHECK(std::all_of(data.base.begin(), data.base.end(), [](float v) { return std::isfinite(v); }));
    KindRequest other = request;
    other.seed = 8;
    CHECK(data.asked != make_data(kind, other).asked);
    std::size_t equal = 0;
    for (std::size_t q = 0; q < data.queries; ++q)
      for (std::size_t i = 0; i < data.rows; ++i) equal += std::ranges::equal(data.query(q), data.row(i));
    CHECK(equal == 0);
  }
}

TEST_CASE("seeded numbers are the same on every machine", "[kinds]") {
  SeededRandom random(42, 1);
  CHECK(random.below(1000000) == 790311);
  CHECK(random.uniform() == 0.90866155305004748);
  CHECK(random.normal() == Approx(-0.76723561138770024));
  CHECK(random.student_t2() == Approx(-0.45338649247450302));
  CHECK(random.poisson(3) == 4);
}

}  // namespace nestor::tests
