// Damage, crashes, locks and directories that cannot be used: what Database makes of them.
#include <rocksdb/db.h>
#include <unistd.h>

#include <cstdio>

#include "storage/record_codec.h"
#include "storage/rocks_options.h"
#include "tests/storage/child_process.h"
#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

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
