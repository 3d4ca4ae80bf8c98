#include "storage/database.h"

#include <atomic>
#include <fstream>
#include <thread>

#include "storage/collection_name.h"
#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

TEST_CASE("a new database is empty, and collections are made, listed and removed") {
  const TemporaryDirectory directory;
  auto database = Database::open(directory / "new/data", quiet());
  CHECK(database->collection_names().empty());
  CHECK(database->damaged().empty());
  for (const char* name : {"b", "a", "c"}) database->create_collection(name, options_of(), std::string("{\"n\":1}"));
  CHECK(database->collection_names() == std::vector<std::string>{"a", "b", "c"});
  CHECK(database->delete_collection("b"));
  CHECK_FALSE(database->delete_collection("b"));
  for (int round = 0; round < 2; ++round) {
    CHECK(database->collection_names() == std::vector<std::string>{"a", "c"});
    CHECK(database->contains("a"));
    CHECK_FALSE(database->contains("b"));
    CHECK(database->attributes("a") == "{\"n\":1}");
    CHECK(database->collection("c")->options() == options_of().validated());
    CHECK(std::filesystem::is_empty(directory / "new/data/tmp"));
    CHECK(std::filesystem::is_empty(directory / "new/data/trash"));
    database.reset();
    database = Database::open(directory / "new/data", quiet());
  }
}

TEST_CASE("asking for what is not there, or making what is, is one clear error") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  database->create_collection("words", options_of());
  CHECK(error_of(ErrorCode::not_found, [&] { database->collection("x"); }) == "Collection `x` doesn't exist!");
  CHECK(error_of(ErrorCode::not_found, [&] { database->attributes("x"); }) == "Collection `x` doesn't exist!");
  error_of(ErrorCode::already_exists, [&] { database->create_collection("words", options_of()); });
  CollectionOptions impossible = options_of();
  impossible.dim = 0;
  error_of(ErrorCode::invalid_argument, [&] { database->create_collection("bad", impossible); });
  CHECK(database->collection_names() == std::vector<std::string>{"words"});
  CHECK(std::filesystem::is_empty(directory / "tmp"));
}

TEST_CASE("names become safe directories and come back") {
  const TemporaryDirectory directory;
  const std::vector<std::string> names{
      "plain", "with space",          ".hidden",    "100%", "a%20b", "ключ", "UPPER",
      "upper", std::string(255, 'x'), "%", "tmp", "semi;$(x)'`"};
  auto database = Database::open(directory.path(), quiet());
  for (const std::string& name : names) {
    CHECK(unescape_name(escape_name(name)) == name);
    database->create_collection(name, options_of(), name);
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  database.reset();
  database = Database::open(directory.path(), quiet());
  CHECK(database->collection_names() == sorted);
  for (const std::string& name : names) CHECK(database->attributes(name) == name);
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string(256, 'x'), std::string("a/b"), std::string("a\nb"), std::string("a\0b", 3),
        std::string("a\x7F"), std::string("<"), std::string("a*"), std::string("a\\b"), std::string(200, '%')}) {
    INFO("name " << bad);
    error_of(ErrorCode::invalid_argument, [&] { database->create_collection(bad, options_of()); });
  }
}

TEST_CASE("points are found after writing, after reopening, after building and from the reopened generation") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  const TemporaryDirectory directory;
  for (const Metric metric : {Metric::l2, Metric::cosine}) {
    const std::string name(to_string(metric));
    const Points points(100, 600, 1), later(5000, 50, 2);
    auto database = Database::open(directory.path(), quiet());
    database->create_collection(name, options_of(metric))->upsert(points.points);
    check_finds(*database->collection(name), points);
    const auto reopen = [&] {
      database.reset();
      database = Database::open(directory.path(), quiet());
    };
    reopen();
    CHECK(database->collection(name)->count() == 600);
    check_finds(*database->collection(name), points);
    CHECK(build(*database->collection(name)).rows == 600);
    check_finds(*database->collection(name), points);
    database->collection(name)->upsert(later.points);
    reopen();
    const auto collection = database->collection(name);
    CHECK(collection->info().generation_sequence > 0);
    CHECK(collection->info().indexed_points == 600);
    CHECK(collection->info().tail_rows == 50);
    check_finds(*collection, points);
    check_finds(*collection, later);
    const auto record = collection->get(PointId::number(100), true, true);
    REQUIRE(record.has_value());
    CHECK(record->payload == "{\"row\":true}");
    CHECK(record->value == 0);
  }
}

TEST_CASE("with only the walk's codes in memory the answers are the same and the rest is mapped") {
  const TemporaryDirectory directory;
  {
    auto database = Database::open(directory.path(), quiet());
    auto collection = database->create_collection("words", options_of());
    collection->upsert(Points(0, 1000, 1).points);
    build(*collection);
  }
  const auto queries = nested_vectors(20, kDim, 9);
  std::vector<std::vector<PointId>> answers[2];
  MemoryReport memory[2];
  for (const int round : {0, 1}) {
    DatabaseOptions options = quiet();
    options.residency = round == 0 ? Residency::all_codes : Residency::walk_codes;
    const auto collection = Database::open(directory.path(), options)->collection("words");
    memory[round] = collection->info().memory;
    for (std::size_t q = 0; q < 20; ++q) {
      auto& ids = answers[round].emplace_back();
      for (const Hit& hit : collection->search({queries.data() + q * kDim, kDim}, {}).hits) ids.push_back(hit.id);
    }
  }
  CHECK(answers[0] == answers[1]);
  CHECK(memory[0].mapped_codes == 0);
  CHECK(memory[1].mapped_codes > 0);
  CHECK(memory[1].codes + memory[1].mapped_codes == memory[0].codes);
  CHECK(memory[1].links == memory[0].links);
}

TEST_CASE("with only the walk's codes in memory opening leaves no mapped row behind") {
  const TemporaryDirectory directory;
  {
    auto database = Database::open(directory.path(), quiet());
    auto collection = database->create_collection("words", options_of());
    collection->upsert(Points(0, 20'000, 1).points);
    build(*collection);
  }
  const auto mapped_bytes = [] {
    std::uint64_t size = 0, resident = 0, shared = 0;
    std::ifstream("/proc/self/statm") >> size >> resident >> shared;
    return static_cast<std::int64_t>(shared * 4096);
  };
  DatabaseOptions options = quiet();
  options.residency = Residency::walk_codes;
  const std::int64_t before = mapped_bytes();
  const auto database = Database::open(directory.path(), options);
  const MemoryReport memory = database->collection("words")->info().memory;
  CHECK(mapped_bytes() - before < static_cast<std::int64_t>((memory.rows + memory.mapped_codes) / 2));
}

TEST_CASE("the background builder builds what wants it, and the next start serves from it") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  const TemporaryDirectory directory;
  const Points points(0, 6000, 1);
  LogLines log;
  {
    const auto database = Database::open(directory.path(), log.options(true));
    const auto collection = database->create_collection("words", options_of());
    collection->upsert(points.points);
    log.wait_for("collection words: built a generation of 6000 rows");
    CHECK(collection->info().indexed_points == 6000);
    CHECK(collection->info().tail_rows == 0);
  }
  const auto database = Database::open(directory.path(), quiet());
  CHECK(database->collection("words")->info().indexed_points == 6000);
}

TEST_CASE("a collection that outlives its database keeps the directory locked") {
  const TemporaryDirectory directory;
  auto database = Database::open(directory.path(), quiet());
  auto collection = database->create_collection("words", options_of());
  database.reset();
  const Points points(0, 20, 1);
  collection->upsert(points.points);
  check_finds(*collection, points);
  error_of(ErrorCode::failed_precondition, [&] { Database::open(directory.path(), quiet()); });
  collection.reset();
  database = Database::open(directory.path(), quiet());
  CHECK(database->collection("words")->count() == 20);
}

TEST_CASE("a deleted collection serves whoever holds it and does not touch its successor") {
  const TemporaryDirectory directory;
  auto database = Database::open(directory.path(), quiet());
  const Points old_points(0, 300, 1), new_points(1000, 300, 2);
  auto old = database->create_collection("words", options_of());
  old->upsert(old_points.points);
  CHECK(database->delete_collection("words"));
  CHECK_FALSE(database->contains("words"));
  check_finds(*old, old_points);
  const auto successor = database->create_collection("words", options_of());
  successor->upsert(new_points.points);
  // Its directory may be gone by now: a failure is fine, a file in the successor's directory is not.
  CHECK_THROWS_AS(old->build(), Error);
  check_finds(*old, old_points);
  old.reset();
  CHECK(only_generation(directory.path(), "words").empty());
  CHECK(successor->count() == 300);
  check_finds(*successor, new_points);
  database.reset();
}

TEST_CASE("another choice of graphs keeps rows and tuned depth and serves exactly until it is built") {
  const TemporaryDirectory directory;
  auto database = Database::open(directory.path(), quiet());
  const Points points(0, 400, 1);
  auto collection = database->create_collection("words", options_of(), "{\"a\":1}");
  collection->upsert(points.points);
  build(*collection);
  const TunedPolicy tuned{{300, 0.2f, 30, 25, {}}, 10, 0.99, 100};
  collection->use_tuned_policy(tuned);
  error_of(ErrorCode::failed_precondition, [&] { database->change_graphs("words", {32}); });
  collection.reset();
  error_of(ErrorCode::not_found, [&] { database->change_graphs("books", {32}); });
  error_of(ErrorCode::invalid_argument, [&] { database->change_graphs("words", {24}); });
  CHECK(database->collection("words")->options().graphs == std::vector<std::uint32_t>{16});

  database->change_graphs("words", {32}, WalkCodes::leading_bits);
  collection = database->collection("words");
  CHECK(collection->options().graphs == std::vector<std::uint32_t>{32});
  CHECK(collection->options().walk_codes == WalkCodes::leading_bits);
  CHECK(collection->info().indexed_points == 0);
  check_finds(*collection, points);
  build(*collection);
  CHECK(collection->info().indexed_points == 400);
  CHECK(collection->tuned_policy() == tuned);
  collection->compact();
  CHECK(collection->tuned_policy() == tuned);

  collection.reset();
  database.reset();
  database = Database::open(directory.path(), quiet());
  collection = database->collection("words");
  CHECK(collection->options().graphs == std::vector<std::uint32_t>{32});
  CHECK(database->attributes("words") == "{\"a\":1}");
  CHECK(collection->info().indexed_points == 400);
  CHECK(collection->tuned_policy() == tuned);
  check_finds(*collection, points);
}

TEST_CASE("collections are made, searched and removed by many threads at once") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path());
  std::vector<std::thread> threads;
  std::atomic<int> finished{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Points points(0, 20, static_cast<std::uint64_t>(t));
      const std::string name = "c" + std::to_string(t % 2);
      for (int round = 0; round < 5; ++round) {
        try {
          const auto collection = database->create_collection(name, options_of());
          collection->upsert(points.points);
          collection->search(points.vector(0), {});
        } catch (const Error& error) {
          if (error.code() != ErrorCode::already_exists) return;
        }
        database->delete_collection(name);
        database->collection_names();
      }
      ++finished;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(finished == 4);
}
