// Folding and compaction: graphs follow the rows, slots are numbered anew, and nobody notices but the disk.
#include <atomic>
#include <set>
#include <thread>

#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

void check_same_records(const Collection& a, const std::vector<Record>& expected) {
  const auto found = a.scroll({}, 100000, true, true);
  REQUIRE(found.size() == expected.size());
  bool same = true;
  for (std::size_t i = 0; i < found.size(); ++i)
    same = same && found[i].id == expected[i].id && found[i].version == expected[i].version &&
           found[i].vector == expected[i].vector && found[i].payload == expected[i].payload &&
           found[i].value == expected[i].value;
  CHECK(same);
}

double recall(const Collection& collection, std::size_t queries) {
  const auto vectors = nested_vectors(queries, kDim, 77);
  std::size_t found = 0;
  for (std::size_t q = 0; q < queries; ++q) {
    SearchOptions search;
    const std::span<const float> query(vectors.data() + q * kDim, kDim);
    const auto walked = collection.search(query, search);
    search.exact = true;
    std::set<PointId> truth;
    for (const Hit& hit : collection.search(query, search).hits) truth.insert(hit.id);
    for (const Hit& hit : walked.hits) found += truth.count(hit.id);
  }
  return static_cast<double>(found) / static_cast<double>(10 * queries);
}

std::uint64_t bytes_of(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) bytes += entry.file_size();
  return bytes;
}

std::uint64_t hits_with(const Collection& collection, std::span<const float> query, const SelectedSlots& allowed) {
  SearchOptions search;
  search.k = 4000;
  search.allowed_slots = allowed;
  search.allowed_numbering = allowed.numbering;
  std::uint64_t wrong = 0, right = 0;
  for (const Hit& hit : collection.search(query, search).hits) (hit.id.low % 3 == 0 ? right : wrong) += 1;
  CHECK(wrong == 0);
  return right;
}

}  // namespace

TEST_CASE("a fold puts the tail into the graph: the same rows, fewer in the tail, as good as built at once") {
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine}) {
    INFO(to_string(metric));
    const TemporaryDirectory directory;
    auto database = Database::open(directory.path(), quiet());
    CollectionOptions options = options_of(metric);
    options.graphs = {kDim};  // what a walk over a prefix loses is not the fold's
    auto collection = database->create_collection("words", options);
    collection->upsert(Points(0, 1000, 1).points);
    build(*collection);
    for (std::uint64_t step = 1; step <= 4; ++step) {
      collection->upsert(Points(step * 1000 - 250, 1000, 10 + step).points);  // a quarter of them replace
      const auto expected = collection->scroll({}, 100000, true, true);
      const BuildReport report = collection->fold(deterministic());
      CHECK(report.kind == "folded");
      CHECK(report.rows == 1000 * (step + 1));  // the dead stay as stepping stones
      const CollectionInfo info = collection->info();
      CHECK(info.tail_rows == 0);
      CHECK(info.indexed_points == info.points);
      CHECK(info.generation_sequence == info.sequence);
      check_same_records(*collection, expected);
    }
    const double folded = recall(*collection, 300);
    build(*collection);
    const double built = recall(*collection, 300);
    INFO("folded " << folded << ", built " << built);
    CHECK(folded >= built - 0.01);
    CHECK(built >= 0.95);
  }
}

TEST_CASE("a folded generation is opened again, and one thread folds the same bytes twice") {
  std::vector<std::string> files;
  for (int round = 0; round < 2; ++round) {
    const TemporaryDirectory directory;
    auto database = Database::open(directory.path(), quiet());
    auto collection = database->create_collection("words", options_of());
    collection->upsert(Points(0, 800, 1).points);
    build(*collection);
    collection->upsert(Points(700, 300, 2).points);
    collection->fold(deterministic());
    files.push_back(read_file(only_generation(directory.path(), "words")));
    collection.reset();
    database.reset();
    database = Database::open(directory.path(), quiet());
    CHECK(database->collection("words")->info().tail_rows == 0);
    check_finds(*database->collection("words"), Points(700, 300, 2));
  }
  CHECK(files[0] == files[1]);
}

TEST_CASE("a fold of few rows builds no graph, and the first one when they are enough") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  const auto collection = database->create_collection("words", options_of());
  collection->upsert(Points(0, 150, 1).points);
  collection->fold(deterministic());
  CHECK(collection->info().tail_rows == 0);
  CHECK(collection->info().memory.links == 0);
  const std::vector<PointId> gone{PointId::number(3), PointId::number(9)};
  collection->erase(gone);
  collection->upsert(Points(150, 150, 2).points);
  CHECK(collection->fold(deterministic()).rows == 298);  // no graph yet, so no need for the dead
  CHECK(collection->info().memory.links > 0);
  check_finds(*collection, Points(150, 150, 2));
}

TEST_CASE("a compaction keeps every point and version, drops the dead and makes the files small") {
  const TemporaryDirectory directory;
  auto database = Database::open(directory.path(), quiet());
  auto collection = database->create_collection("words", options_of(), R"({"kept":true})");
  for (std::uint64_t round = 0; round < 6; ++round) collection->upsert(Points(0, 2000, round).points);
  collection->fold(deterministic());
  std::vector<PointId> gone;
  for (std::uint64_t id = 0; id < 500; ++id) gone.push_back(PointId::number(id));
  collection->erase(gone);
  const std::vector<PointId> one{PointId::number(700)};
  collection->update_payloads(one, [](const RowHeader& row, std::string_view) { return PayloadUpdate{R"({"new":1})", row.value}; });
  const auto expected = collection->scroll({}, 100000, true, true);
  const auto before = collection->info();
  CHECK(before.dead_slots == 10500);
  CHECK(before.slots == 12000);

  const BuildReport report = collection->compact(deterministic());
  CHECK(report.kind == "compacted");
  CHECK(report.rows == 1500);
  const auto check = [&](const Collection& now) {
    CHECK(now.info().dead_slots == 0);
    CHECK(now.info().slots == 1500);
    CHECK(now.info().sequence == before.sequence);
    CHECK(now.info().indexed_points == 1500);
    check_same_records(now, expected);
  };
  check(*collection);
  CHECK(recall(*collection, 50) >= 0.95);
  collection.reset();
  database.reset();
  const std::uint64_t compacted = bytes_of(directory / "collections");
  database = Database::open(directory.path(), quiet());
  check(*database->collection("words"));
  CHECK(database->attributes("words") == R"({"kept":true})");
  // A fresh collection of the same points.
  const TemporaryDirectory other;
  {
    const auto fresh = Database::open(other.path(), quiet());
    fresh->create_collection("words", options_of());
    Points points(500, 1500, 5);
    fresh->collection("words")->upsert(points.points);
    build(*fresh->collection("words"));
  }
  CHECK(static_cast<double>(compacted) <= 1.3 * static_cast<double>(bytes_of(other / "collections")));
  database->collection("words")->upsert(Points(0, 10, 9).points);
  CHECK(database->collection("words")->count() == 1510);
}

TEST_CASE("rows chosen before a compaction are the same rows after it, and after two the choice is refused") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  const auto collection = database->create_collection("words", options_of());
  collection->upsert(Points(0, 900, 1).points);
  collection->upsert(Points(0, 300, 2).points);
  build(*collection);
  const RowChoice thirds{[](const RowHeader& row, std::string_view) { return row.id.low % 3 == 0; }, false, {}};
  const SelectedSlots chosen = collection->select_slots(thirds);
  const auto query = nested_vectors(1, kDim, 5);
  CHECK(hits_with(*collection, query, chosen) == 300);
  collection->compact(deterministic());
  CHECK(hits_with(*collection, query, chosen) == 300);
  CHECK(hits_with(*collection, query, collection->select_slots(thirds)) == 300);
  collection->compact(deterministic());
  error_of(ErrorCode::unavailable, [&] { hits_with(*collection, query, chosen); });
}

TEST_CASE("maintenance is asked for when it is due, and does what is due") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  const auto collection = database->create_collection("words", options_of());
  collection->upsert(Points(0, 4999, 1).points);
  CHECK_FALSE(collection->wants_build());
  collection->upsert(Points(4999, 1, 2).points);
  CHECK(collection->wants_build());
  CHECK(collection->maintain(deterministic()).kind == "built");
  CHECK_FALSE(collection->wants_build());
  collection->upsert(Points(5000, 5000, 3).points);
  CHECK(collection->maintain(deterministic()).kind == "folded");
  collection->upsert(Points(0, 4999, 4).points);
  CHECK_FALSE(collection->wants_build());
  collection->upsert(Points(4999, 1, 5).points);
  CHECK(collection->wants_build());
  CHECK(collection->maintain(deterministic()).kind == "compacted");  // 5000 of 15000 slots are dead
  CHECK_FALSE(collection->wants_build());
  CHECK(collection->info().dead_slots == 0);
}

TEST_CASE("a deleted collection is not compacted any more, and leaves its successor of the same name alone") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  const auto old = database->create_collection("words", options_of());
  old->upsert(Points(0, 300, 1).points);
  database->delete_collection("words");
  const auto next = database->create_collection("words", options_of());
  next->upsert(Points(0, 20, 2).points);
  error_of(ErrorCode::failed_precondition, [&] { old->compact(deterministic()); });
  const auto file = database->snapshot_file("words", database->create_snapshot("words").name);
  const auto recovered = database->recover_collection("words", file);
  error_of(ErrorCode::failed_precondition, [&] { next->compact(deterministic()); });
  recovered->compact(deterministic());
  CHECK(recovered->count() == 20);
}

TEST_CASE("readers see every point exactly once while writers write and graphs are built, folded and compacted") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  const TemporaryDirectory directory;
  auto database = Database::open(directory.path(), quiet());
  auto collection = database->create_collection("words", options_of());
  constexpr std::uint64_t kPoints = 400;
  collection->upsert(Points(0, kPoints, 1).points);
  build(*collection);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, reads{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      const auto query = nested_vectors(1, kDim, 100 + static_cast<std::uint64_t>(t));
      SearchOptions search;
      search.k = kPoints + 50;
      search.exact = t == 0;
      while (!stop) {
        std::set<PointId> ids;
        const auto result = collection->search(query, search);
        for (const Hit& hit : result.hits) ids.insert(hit.id);
        if (result.hits.size() != kPoints || ids.size() != kPoints) ++wrong;
        const PointId some = PointId::number(static_cast<std::uint64_t>(reads++) % kPoints);
        if (!collection->get(some, true, true)) ++wrong;
      }
    });
  threads.emplace_back([&] {  // every write keeps all points alive
    for (std::uint64_t n = 0; !stop; ++n) {
      collection->upsert(Points(n * 7 % (kPoints - 20), 20, 200 + n).points);
      const PointId some[] = {PointId::number(n % kPoints)};
      collection->update_payloads(some, [&](const RowHeader& row, std::string_view) {
        return PayloadUpdate{"{\"n\":" + std::to_string(n) + "}", row.value};
      });
    }
  });
  for (int round = 0; round < 3; ++round) {
    collection->fold(deterministic());
    collection->compact(deterministic());
    collection->fold(deterministic());
    build(*collection);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(reads > 0);
  CHECK(collection->count() == kPoints);
  const auto expected = collection->scroll({}, 100000, true, true);
  collection.reset();
  database.reset();
  database = Database::open(directory.path(), quiet());
  check_same_records(*database->collection("words"), expected);
}
