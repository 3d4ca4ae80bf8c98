// A datastore behind a server, compared with the embedded one that it serves.
#include "client/cpp/remote_datastore.h"

#include <cmath>

#include "client/cpp/remote_database.h"
#include "index/error.h"
#include "tests/server/support/server_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

namespace nestor::client {
namespace {

constexpr std::size_t kDim = 16, kRows = 300, kQueries = 4;

struct Both {
  explicit Both(index::Metric metric) {
    RemoteOptions remote;
    remote.url = "http://127.0.0.1:" + std::to_string(fixture.start());
    database = RemoteDatabase::open(remote);
    index::CollectionOptions options;
    options.dim = kDim;
    options.metric = metric;
    there = std::make_unique<RemoteDatastore>(database->create_collection("novel", options));
    here = std::make_unique<storage::Datastore>(fixture.database->collection("novel"));
    for (std::size_t i = 0; i < kRows; ++i) {
      tokens.push_back(static_cast<std::uint32_t>(i % 7));
      weights.push_back(1 + static_cast<float>(i % 3));
      documents.push_back(i / 100);
    }
    CHECK(there->append({rows, tokens, weights, documents}) == 0);
    query.options.search.k = 20;
    query.options.temperature = 2;
  }

  server::testing::ServerFixture fixture;
  std::unique_ptr<RemoteDatabase> database;
  std::unique_ptr<RemoteDatastore> there;
  std::unique_ptr<storage::Datastore> here;
  const std::vector<float> rows = tests::nested_vectors(kRows, kDim, 3);
  const std::vector<float> queries = tests::nested_vectors(kQueries, kDim, 4);
  std::vector<std::uint32_t> tokens;
  std::vector<float> weights;
  std::vector<std::uint64_t> documents;
  storage::DatastoreQuery query;
};

void same_distributions(const Both& both, const storage::DatastoreQuery& query) {
  const auto theirs = both.there->lookup(both.queries, kQueries, query);
  const auto ours = both.here->lookup(both.queries, kQueries, query);
  REQUIRE(theirs.size() == ours.size());
  for (std::size_t q = 0; q < ours.size(); ++q) {
    CHECK(theirs[q].neighbours == ours[q].neighbours);
    CHECK(theirs[q].searched == ours[q].searched);
    CHECK(theirs[q].total_variation_bound == Approx(ours[q].total_variation_bound));
    REQUIRE(theirs[q].tokens.size() == ours[q].tokens.size());
    for (std::size_t t = 0; t < ours[q].tokens.size(); ++t) {
      CHECK(theirs[q].tokens[t].token == ours[q].tokens[t].token);
      CHECK(theirs[q].tokens[t].probability == Approx(ours[q].tokens[t].probability));
    }
  }
}

}  // namespace

TEST_CASE("a remote datastore answers as the embedded one behind it") {
  Both both(GENERATE(index::Metric::l2, index::Metric::dot, index::Metric::cosine));
  storage::DatastoreQuery query = both.query;
  same_distributions(both, query);
  query.weights = true;
  query.exclude_documents = {0, index::kNoDocument, 2, 1};
  query.entry_ids = {index::PointId::number(5)};
  query.options.eta = 0.05;
  same_distributions(both, query);
  query.options.weight_mode = index::WeightMode::compatible;
  same_distributions(both, query);

  const auto neighbours = both.there->search(both.queries, kQueries, both.query);
  const auto expected = both.here->search(both.queries, kQueries, both.query);
  REQUIRE(neighbours.size() == kQueries);
  for (std::size_t q = 0; q < kQueries; ++q) {
    REQUIRE(neighbours[q].hits.size() == expected[q].hits.size());
    for (std::size_t i = 0; i < expected[q].hits.size(); ++i) {
      CHECK(neighbours[q].hits[i].id == expected[q].hits[i].id);
      CHECK(neighbours[q].hits[i].value == expected[q].hits[i].value);
      CHECK(neighbours[q].hits[i].distance == Approx(expected[q].hits[i].distance).margin(1e-5));
      CHECK(neighbours[q].hits[i].score == Approx(expected[q].hits[i].score).margin(1e-5));
    }
  }
}

TEST_CASE("a remote datastore scores targets as the embedded one does") {
  Both both(index::Metric::l2);
  const std::vector<std::uint32_t> targets = {0, 3, 6, 99};
  const std::vector<float> lm = {-1, -INFINITY, -3, -4}, lambdas = {0.25f, 0.5f, 0, 1};
  const auto theirs = both.there->score(both.queries, kQueries, {targets, lm, lambdas}, both.query);
  const auto ours = both.here->score(both.queries, kQueries, {targets, lm, lambdas}, both.query);
  REQUIRE(theirs.size() == kQueries);
  for (std::size_t q = 0; q < kQueries; ++q) {
    CHECK(theirs[q].log_probability == Approx(ours[q].log_probability));
    CHECK(theirs[q].knn_log_probability == Approx(ours[q].knn_log_probability));
    CHECK(theirs[q].searched == ours[q].searched);
  }
}

TEST_CASE("rows of a remote datastore by id: distances, vectors, pointers") {
  Both both(GENERATE(index::Metric::l2, index::Metric::dot, index::Metric::cosine));
  std::vector<index::PointId> ids;
  for (const std::uint64_t id : {0, 99, 100, 299, 5000, 7, 8, 9}) ids.push_back(index::PointId::number(id));
  const auto theirs = both.there->distances(both.queries, kQueries, ids);
  const auto ours = both.here->distances(both.queries, kQueries, ids);
  REQUIRE(theirs.size() == ours.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (std::isinf(ours[i]))
      CHECK(std::isinf(theirs[i]));
    else
      CHECK(theirs[i] == Approx(ours[i]).margin(1e-5));
  }
  CHECK(std::isinf(theirs[4]));
  CHECK(both.there->next_ids(ids) == both.here->next_ids(ids));
  ids.erase(ids.begin() + 4);
  CHECK(both.there->get_vectors(ids) == both.here->get_vectors(ids));
}

TEST_CASE("a remote datastore grows and is built; what cannot be sent is refused") {
  Both both(index::Metric::l2);
  CHECK(both.there->append({std::span(both.rows).first(kDim), {}, {}, {}}) == kRows);
  CHECK(both.there->collection().build().rows == kRows + 1);
  storage::DatastoreQuery query = both.query;
  for (const float bad : {NAN, INFINITY}) {
    const std::vector<float> weights = {bad}, lambdas = {bad}, lm(kQueries, -1);
    const std::vector<std::uint32_t> targets(kQueries, 1);
    CHECK_THROWS_AS(both.there->append({std::span(both.rows).first(kDim), {}, weights, {}}), index::Error);
    CHECK_THROWS_AS(both.there->score(both.queries, kQueries, {targets, lm, lambdas}, query), index::Error);
    query.options.search.distance_gap = bad;
    CHECK_THROWS_AS(both.there->search(both.queries, kQueries, query), index::Error);
    query = both.query;
  }
  CHECK(both.there->collection().count() == kRows + 1);
  const index::RowColumns columns;
  query.options.columns = &columns;
  CHECK_THROWS_AS(both.there->lookup(both.queries, kQueries, query), index::Error);
  CHECK_THROWS_AS(both.there->lookup(std::span(both.queries).first(kDim + 1), 2, both.query), index::Error);
  CHECK_THROWS_AS(both.there->get_vectors(std::vector{index::PointId::number(5000)}), index::Error);
}

}  // namespace nestor::client
