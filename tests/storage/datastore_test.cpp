#include "storage/datastore.h"

#include "tests/storage/database_fixtures.h"
#include "tests/support/catch.h"

namespace nestor::tests {
namespace {

constexpr std::size_t kRows = 60;

std::vector<PointId> numbers(std::initializer_list<std::uint64_t> ids) {
  std::vector<PointId> out;
  for (const std::uint64_t id : ids) out.push_back(PointId::number(id));
  return out;
}

// Rows 0..59 of one seed, the token of a row is its number; 20 rows to a document.
struct Novel {
  explicit Novel(Metric metric = Metric::l2)
      : database(Database::open(directory.path(), quiet())), keys(nested_vectors(kRows, kDim, 7)) {
    store = std::make_unique<Datastore>(database->create_collection("novel", options_of(metric)));
    std::vector<std::uint32_t> values;
    std::vector<std::uint64_t> documents;
    for (std::uint32_t row = 0; row < kRows; ++row) {
      values.push_back(row);
      documents.push_back(row / 20);
    }
    CHECK(store->append({keys, values, {}, documents}) == 0);
  }
  std::span<const float> key(std::size_t row) const { return std::span(keys).subspan(row * kDim, kDim); }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  std::vector<float> keys;
  std::unique_ptr<Datastore> store;
};

}  // namespace

TEST_CASE("rows are appended behind those that are there", "[datastore]") {
  Novel novel;
  CHECK(novel.store->next_row() == kRows);
  const std::vector<std::uint32_t> values{5, 6};
  CHECK(novel.store->append({std::span(novel.keys).first(2 * kDim), values, {}, {}}) == kRows);
  CHECK(novel.store->next_row() == kRows + 2);
  const std::vector<std::uint32_t> too_few{5};
  error_of(ErrorCode::invalid_argument, [&] {
    novel.store->append({std::span(novel.keys).first(2 * kDim), too_few, {}, {}});
  });
  CHECK(novel.store->next_row() == kRows + 2);
}

TEST_CASE("a pointer leads to the next row of the same document", "[datastore]") {
  Novel novel;
  const auto next = novel.store->next_ids(numbers({0, 18, 19, 59, 1000}));
  REQUIRE(next.size() == 5);
  CHECK(next[0] == PointId::number(1));
  CHECK(next[1] == PointId::number(19));
  CHECK_FALSE(next[2].has_value());  // the last row of its document
  CHECK_FALSE(next[3].has_value());
  CHECK_FALSE(next[4].has_value());
}

TEST_CASE("distances to known rows are those of a search, whatever the metric", "[datastore]") {
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine}) {
    Novel novel(metric);
    const std::span<const float> queries = std::span(novel.keys).subspan(3 * kDim, 2 * kDim);
    DatastoreQuery query;
    query.options.search.k = 4;
    const auto found = novel.store->search(queries, 2, query);
    std::vector<PointId> ids;
    for (const auto& one : found)
      for (const Hit& hit : one.hits) ids.push_back(hit.id);
    REQUIRE(ids.size() == 8);
    const auto distances = novel.store->distances(queries, 2, ids);
    for (std::size_t i = 0; i < 8; ++i)
      CHECK(std::fabs(distances[i] - found[i / 4].hits[i % 4].distance) <= 1e-4f * (1 + std::fabs(distances[i])));
  }
}

TEST_CASE("an unknown row is infinitely far, and ids that are no row for each query are refused", "[datastore]") {
  Novel novel;
  CHECK(std::isinf(novel.store->distances(novel.key(0), 1, numbers({1000})).front()));
  error_of(ErrorCode::invalid_argument, [&] {
    novel.store->distances(std::span(novel.keys).first(2 * kDim), 2, numbers({1, 2, 3}));
  });
  error_of(ErrorCode::not_found, [&] { novel.store->get_vectors(numbers({1000})); });
}

TEST_CASE("a self-join leaves out the row itself, and its document when asked", "[datastore]") {
  Novel novel;
  DatastoreQuery query;
  query.options.search.k = 30;
  for (const bool apart : {false, true}) {
    const auto joined = novel.store->self_join(15, 25, query, apart);
    REQUIRE(joined.size() == 10);
    for (std::size_t i = 0; i < joined.size(); ++i) {
      REQUIRE(joined[i].hits.size() == 30);
      bool own_document = false;
      for (const Hit& hit : joined[i].hits) {
        CHECK(hit.id != PointId::number(15 + i));
        own_document |= *hit.value / 20 == (15 + i) / 20;
      }
      CHECK(own_document == !apart);
    }
  }
}

}  // namespace nestor::tests
