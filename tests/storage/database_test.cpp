#include "storage/database.h"

#include <rocksdb/db.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "storage/collection_name.h"
#include "storage/record_codec.h"
#include "storage/rocks_options.h"
#include "tests/storage/child_process.h"
#include "tests/storage/expect_error.h"
#include "tests/storage/temporary_directory.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

constexpr std::uint32_t kDim = 32;

CollectionOptions options_of(Metric metric = Metric::l2) {
  CollectionOptions options;
  options.dim = kDim;
  options.widths = {8, 16, 32};
  options.graphs = {16};
  options.metric = metric;
  options.exact_below = 200;
  return options;
}

DatabaseOptions quiet() {
  DatabaseOptions options;
  options.background_builds = false;
  return options;
}

// Log lines of a database, safe to read while its threads write.
class LogLines {
 public:
  DatabaseOptions options(bool background_builds = false) {
    DatabaseOptions options;
    options.background_builds = background_builds;
    options.log = [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
      added_.notify_all();
    };
    return options;
  }
  bool say(const std::string& part) const {
    const std::lock_guard lock(mutex_);
    return any_says(part);
  }
  // Returns when a line says so; the time limit of the whole test is the only other end.
  void wait_for(const std::string& part) const {
    std::unique_lock lock(mutex_);
    added_.wait(lock, [&] { return any_says(part); });
  }

 private:
  bool any_says(const std::string& part) const {
    return std::any_of(lines_.begin(), lines_.end(), [&](const std::string& line) { return mentions(line, part); });
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable added_;
  std::vector<std::string> lines_;
};

// `count` points with ids first_id.., vectors of the stream, some with payload and value.
struct Points {
  std::vector<float> vectors;
  std::vector<Point> points;

  Points(std::uint64_t first_id, std::size_t count, std::uint64_t stream)
      : vectors(nested_vectors(count, kDim, stream)) {
    for (std::size_t i = 0; i < count; ++i)
      points.push_back({PointId::number(first_id + i), vector(i), "{\"row\":true}", static_cast<std::uint32_t>(i)});
  }
  std::span<const float> vector(std::size_t i) const { return std::span(vectors).subspan(i * kDim, kDim); }
};

// Every tenth point is its own nearest neighbour by exact search, and nearly always by the default search.
void check_finds(const Collection& collection, const Points& points) {
  std::size_t asked = 0, found = 0;
  for (std::size_t i = 0; i < points.points.size(); i += 10) {
    SearchOptions search;
    search.k = 1;
    ++asked;
    found += collection.search(points.vector(i), search).hits.at(0).id == points.points[i].id;
    search.exact = true;
    CHECK(collection.search(points.vector(i), search).hits.at(0).id == points.points[i].id);
  }
  CHECK(found * 10 >= asked * 9);
}

// One thread and a fixed seed: what the default search finds does not change from run to run.
BuildReport build(Collection& collection) {
  BuildOptions options;
  options.deterministic = true;
  return collection.build(options);
}

std::filesystem::path only_generation(const std::filesystem::path& database, const std::string& collection) {
  for (const auto& entry : std::filesystem::directory_iterator(database / "collections" / collection / "generations"))
    if (entry.path().extension() == ".nestor") return entry.path();
  return {};
}

std::filesystem::path rocks_of(const std::filesystem::path& database, const std::string& collection) {
  for (const auto& entry : std::filesystem::directory_iterator(database / "collections" / collection))
    if (entry.path().filename().string().starts_with("rocks-")) return entry.path();
  return {};
}

// Changes one record of a closed store behind its back.
void overwrite_meta(const std::filesystem::path& rocks, std::string_view key,
                    const std::function<void(std::string&)>& change) {
  const auto resources = make_store_resources();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  REQUIRE(
      rocksdb::DB::Open(database_options(*resources), rocks.string(), column_families(*resources), &handles, &db).ok());
  const std::unique_ptr<rocksdb::DB> owner(db);
  std::string record;
  REQUIRE(db->Get({}, handles[kMetaFamily], {key.data(), key.size()}, &record).ok());
  change(record);
  REQUIRE(db->Put({}, handles[kMetaFamily], {key.data(), key.size()}, record).ok());
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
}

// Exit codes: 0 opened, otherwise 10 + the error's code.
const ChildProgram kOpen("open a database", [](const ChildContext& context) {
  try {
    Database::open(context.directory, quiet());
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "(expected) %s\n", error.what());
    return 10 + static_cast<int>(error.code());
  }
});

const ChildProgram kOpenAsNobody("open a database as nobody", [](const ChildContext& context) {
  if (!become_nobody()) return 77;
  try {
    Database::open(context.directory, quiet());
    return 0;
  } catch (const Error& error) {
    return 10 + static_cast<int>(error.code());
  }
});

const ChildProgram kHold("hold a database", [](const ChildContext& context) -> int {
  const auto database = Database::open(context.directory, quiet());
  context.send(1);
  ::pause();
  return 0;
});

// Writes batches of 5 points with ascending ids, reports each, until killed; builds now and then.
const ChildProgram kUpsertForever("upsert forever", [](const ChildContext& context) -> int {
  const auto database = Database::open(context.directory, quiet());
  const auto collection = database->collection("words");
  for (std::uint64_t batch = context.number;; ++batch) {
    const Points points(batch * 5, 5, batch);
    collection->upsert(points.points);
    context.send(batch);
    if (batch % 60 == 59) collection->build();
  }
});

int code(ErrorCode error) { return 10 + static_cast<int>(error); }

}  // namespace

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
      "plain", "with space",          ".", "..",  ".hidden",    "100%", "a%20b", "ключ", "UPPER",
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
       {std::string(), std::string(256, 'x'), std::string("a/b"), std::string("a\nb"), std::string("a\0b", 3),
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

TEST_CASE("a damaged or missing generation is a log line, exact answers, and a rebuild") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  const TemporaryDirectory directory;
  const Points points(0, 600, 1);
  {
    const auto database = Database::open(directory.path(), quiet());
    const auto collection = database->create_collection("words", options_of());
    collection->upsert(points.points);
    build(*collection);
  }
  const auto file = only_generation(directory.path(), "words");
  SECTION("missing") { std::filesystem::remove(file); }
  SECTION("flipped") {
    std::string bytes = read_file(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(file, bytes);
  }
  SECTION("cut short") { std::filesystem::resize_file(file, 5000); }
  SECTION("the whole directory is gone") { std::filesystem::remove_all(file.parent_path()); }
  LogLines log;
  auto database = Database::open(directory.path(), log.options());
  CHECK(database->damaged().empty());
  CHECK(log.say("exact search serves until"));
  check_finds(*database->collection("words"), points);
  CHECK(database->collection("words")->count() == 600);
  build(*database->collection("words"));
  database.reset();
  LogLines again;
  database = Database::open(directory.path(), again.options());
  CHECK_FALSE(again.say("words"));
  CHECK(database->collection("words")->info().indexed_points == 600);
  check_finds(*database->collection("words"), points);
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

TEST_CASE("a second process gets a clear error, and the directory is free when the first is killed") {
  const TemporaryDirectory directory;
  ChildProcess holder(kHold, directory.path());
  REQUIRE(holder.receive() == 1);
  const std::string message =
      error_of(ErrorCode::failed_precondition, [&] { Database::open(directory.path(), quiet()); });
  CHECK(mentions(message, directory.path().string()));
  CHECK(mentions(message, "another Nestor process (process "));
  CHECK(ChildProcess(kOpen, directory.path()).wait() == code(ErrorCode::failed_precondition));
  holder.kill_now();
  CHECK(ChildProcess(kOpen, directory.path()).wait() == 0);
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

TEST_CASE("a damaged collection is listed with its reason and the others are served") {
  const TemporaryDirectory directory;
  const Points points(0, 20, 1);
  {
    const auto database = Database::open(directory.path(), quiet());
    for (const char* name : {"good", "current", "norows", "manifest"})
      database->create_collection(name, options_of())->upsert(points.points);
  }
  write_file(rocks_of(directory.path(), "current") / "CURRENT", "nonsense\n");
  std::filesystem::remove_all(rocks_of(directory.path(), "norows"));
  for (const auto& entry : std::filesystem::directory_iterator(rocks_of(directory.path(), "manifest")))
    if (entry.path().filename().string().starts_with("MANIFEST")) std::filesystem::resize_file(entry.path(), 3);
  write_file(directory / "collections/stray", "not a collection");

  LogLines log;
  auto database = Database::open(directory.path(), log.options());
  CHECK(database->collection_names() == std::vector<std::string>{"good"});
  check_finds(*database->collection("good"), points);
  std::vector<std::string> damaged;
  for (const DamagedCollection& each : database->damaged()) {
    damaged.push_back(each.name);
    CHECK_FALSE(each.reason.empty());
    CHECK(log.say("collection " + each.name + " is damaged and not served: " + each.reason));
  }
  CHECK(damaged == std::vector<std::string>{"current", "manifest", "norows", "stray"});
  CHECK(mentions(error_of(ErrorCode::data_loss, [&] { database->collection("norows"); }), "damaged"));
  error_of(ErrorCode::already_exists, [&] { database->create_collection("norows", options_of()); });
  CHECK(database->delete_collection("norows"));
  database->create_collection("norows", options_of())->upsert(points.points);
  database.reset();
  database = Database::open(directory.path(), quiet());
  CHECK(database->collection_names() == std::vector<std::string>{"good", "norows"});
}

TEST_CASE("a damaged options record keeps only its own collection down") {
  const TemporaryDirectory directory;
  {
    const auto database = Database::open(directory.path(), quiet());
    database->create_collection("good", options_of());
    database->create_collection("bad", options_of());
  }
  overwrite_meta(rocks_of(directory.path(), "bad"), kCollectionKey, [](std::string& record) { record[5] ^= 1; });
  const auto database = Database::open(directory.path(), quiet());
  CHECK(database->collection_names() == std::vector<std::string>{"good"});
  REQUIRE(database->damaged().size() == 1);
  CHECK(mentions(database->damaged()[0].reason, "collection record fails its checksum"));
}

TEST_CASE("a directory name that Nestor does not write is passed over with a log line") {
  const TemporaryDirectory directory;
  Database::open(directory.path(), quiet())->create_collection("a b", options_of());
  std::filesystem::create_directory(directory / "collections/a b");
  LogLines log;
  const auto database = Database::open(directory.path(), log.options());
  CHECK(database->collection_names() == std::vector<std::string>{"a b"});
  CHECK(database->damaged().empty());
  CHECK(log.say("ignored " + (directory / "collections/a b").string()));
}

TEST_CASE("what a crash left in tmp and trash is removed, in a directory of Nestor's only") {
  const TemporaryDirectory directory;
  Database::open(directory / "data", quiet())->create_collection("words", options_of());
  std::filesystem::create_directories(directory / "data/tmp/half/rocks-1");
  write_file(directory / "data/trash/old", "x");
  CHECK(Database::open(directory / "data", quiet())->collection_names() == std::vector<std::string>{"words"});
  CHECK(std::filesystem::is_empty(directory / "data/tmp"));
  CHECK(std::filesystem::is_empty(directory / "data/trash"));

  std::filesystem::create_directories(directory / "home/tmp");
  write_file(directory / "home/tmp/precious", "x");
  const std::string message =
      error_of(ErrorCode::failed_precondition, [&] { Database::open(directory / "home", quiet()); });
  CHECK(mentions(message, "not a Nestor data directory"));
  // The refusal must not leave the mark that would let the second try through.
  error_of(ErrorCode::failed_precondition, [&] { Database::open(directory / "home", quiet()); });
  CHECK(read_file(directory / "home/tmp/precious") == "x");
}

TEST_CASE("a directory that cannot be used is one clear error") {
  const TemporaryDirectory directory;
  write_file(directory / "file", "x");
  DatabaseOptions no_create = quiet();
  no_create.create_if_missing = false;
  const std::string missing = error_of(ErrorCode::not_found, [&] { Database::open(directory / "none", no_create); });
  CHECK(mentions(missing, (directory / "none").string()));
  CHECK_FALSE(std::filesystem::exists(directory / "none"));
  std::filesystem::create_directory(directory / "empty");
  error_of(ErrorCode::not_found, [&] { Database::open(directory / "empty", no_create); });
  CHECK(std::filesystem::is_empty(directory / "empty"));
  const std::string file = error_of(ErrorCode::invalid_argument, [&] { Database::open(directory / "file", quiet()); });
  CHECK(mentions(file, "is a file, not a directory"));
  for (const char* below : {"file/data", "file/deeper/data"}) {
    const std::string text = error_of(ErrorCode::invalid_argument, [&] { Database::open(directory / below, quiet()); });
    CHECK(mentions(text, (directory / below).string()));
  }
  CHECK(read_file(directory / "file") == "x");
}

TEST_CASE("a directory without write permission is permission denied and stays as it was") {
  const TemporaryDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  std::filesystem::create_directory(directory / "read-only");
  std::filesystem::permissions(directory / "read-only", std::filesystem::perms(0555));
  for (const auto& where : {directory / "read-only", directory / "read-only/below"}) {
    const int result = ChildProcess(kOpenAsNobody, where).wait();
    if (result == 77) {
      WARN("cannot give up root here; not tested");
      return;
    }
    CHECK(result == code(ErrorCode::permission_denied));
  }
  CHECK(std::filesystem::is_empty(directory / "read-only"));
  std::filesystem::create_directory(directory / "unreadable");
  write_file(directory / "unreadable/LOCK", "nestor data directory 1\n");
  std::filesystem::permissions(directory / "unreadable", std::filesystem::perms(0700));
  CHECK(ChildProcess(kOpenAsNobody, directory / "unreadable").wait() == code(ErrorCode::permission_denied));
}

TEST_CASE("killed at any moment, every acknowledged point is found") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  const TemporaryDirectory directory;
  Database::open(directory.path(), quiet())->create_collection("words", options_of());
  std::uint64_t batches = 0;  // complete on disk
  for (int round = 0; round < 3; ++round) {
    ChildProcess child(kUpsertForever, directory.path(), batches);
    for (int i = 0; i < 50; ++i) REQUIRE(child.receive().has_value());
    child.kill_now();
    batches += 50;
    while (child.receive()) ++batches;
    const auto database = Database::open(directory.path(), quiet());
    CHECK(database->damaged().empty());
    const auto collection = database->collection("words");
    CHECK(collection->count() >= batches * 5);
    CHECK(collection->count() <= batches * 5 + 5);
    for (std::uint64_t batch = 0; batch < batches; ++batch) check_finds(*collection, Points(batch * 5, 5, batch));
    batches = collection->count() / 5;
  }
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
