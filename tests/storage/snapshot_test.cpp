// Snapshots: what goes in comes out, nothing else does, and nobody has to stop for it.
#include <atomic>
#include <thread>

#include "storage/collection_home.h"
#include "storage/sha256.h"
#include "storage/snapshot_archive.h"
#include "tests/storage/child_process.h"
#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

// Payloads, versions, values and vectors of all points.
std::vector<Record> all_records(const Collection& collection) { return collection.scroll({}, 100000, true, true); }

void check_same(const std::vector<Record>& a, const std::vector<Record>& b) {
  REQUIRE(a.size() == b.size());
  bool same = true;
  for (std::size_t i = 0; i < a.size(); ++i)
    same = same && a[i].id == b[i].id && a[i].version == b[i].version && a[i].vector == b[i].vector &&
           a[i].payload == b[i].payload && a[i].value == b[i].value;
  CHECK(same);
}

// Points in the graph, points replaced, points erased and points in the tail.
std::shared_ptr<Collection> make_mixed(Database& database, const std::string& name) {
  const auto collection = database.create_collection(name, options_of(), R"({"made":"by test"})");
  const Points first(0, 400, 1), second(300, 50, 2);
  collection->upsert(first.points);
  build(*collection);
  collection->upsert(second.points);
  const PointId gone[] = {PointId::number(5), PointId::number(320)};
  collection->erase(gone);
  return collection;
}

std::filesystem::path copy_out(const Database& database, const SnapshotScope& scope, const std::string& name,
                               const std::filesystem::path& to) {
  std::filesystem::copy_file(database.snapshot_file(scope, name), to);
  return to;
}

std::size_t entries_in(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

// Puts two snapshots in each other's place until killed.
const ChildProgram kRecoverForever("recover forever", [](const ChildContext& context) -> int {
  const auto database = Database::open(context.directory / "data", quiet());
  for (std::uint64_t n = 0;; ++n) {
    database->recover_collection("words", context.directory / (n % 2 ? "a.snapshot" : "b.snapshot"));
    context.send(n);
  }
});

}  // namespace

TEST_CASE("a snapshot brings a collection back in another directory, under another name, with its graph") {
  const TemporaryDirectory directory;
  const auto source = Database::open(directory / "source", quiet());
  const auto collection = make_mixed(*source, "wörds & more");
  CHECK(source->snapshots("wörds & more").empty());
  const SnapshotInfo made = source->create_snapshot("wörds & more");
  const auto expected = all_records(*collection);
  collection->upsert(Points(0, 100, 9).points);  // not in the snapshot

  CHECK(made.bytes == std::filesystem::file_size(source->snapshot_file("wörds & more", made.name)));
  CHECK(made.sha256 == sha256_of_file(source->snapshot_file("wörds & more", made.name)));
  REQUIRE(source->snapshots("wörds & more").size() == 1);
  CHECK(source->snapshots("wörds & more")[0].name == made.name);
  CHECK(source->snapshots("wörds & more")[0].sha256 == made.sha256);
  CHECK(std::filesystem::is_empty(directory / "source/tmp"));

  const auto file = copy_out(*source, "wörds & more", made.name, directory / "file.snapshot");
  LogLines log;
  auto target = Database::open(directory / "target", log.options());
  auto recovered = target->recover_collection("other", file, {.sha256 = made.sha256});
  CHECK(target->attributes("other") == R"({"made":"by test"})");
  check_same(all_records(*recovered), expected);
  CHECK(recovered->info().generation_sequence == 1);
  CHECK(recovered->info().indexed_points == 349);
  CHECK_FALSE(log.say("exact search"));
  recovered.reset();
  target.reset();
  target = Database::open(directory / "target", quiet());
  check_same(all_records(*target->collection("other")), expected);
  check_finds(*target->collection("other"), Points(300, 20, 2));
}

TEST_CASE("a snapshot takes the place of a living collection, of a damaged one and of none") {
  const TemporaryDirectory directory;
  auto database = Database::open(directory / "data", quiet());
  const auto before = make_mixed(*database, "words");
  const auto expected = all_records(*before);
  const auto file = copy_out(*database, "words", database->create_snapshot("words").name, directory / "s");

  before->upsert(Points(1000, 30, 3).points);
  const auto after = database->recover_collection("words", file);
  CHECK(database->collection("words") == after);
  check_same(all_records(*after), expected);
  CHECK(before->count() == expected.size() + 30);  // whoever holds the old one reads on
  check_finds(*before, Points(1000, 30, 3));
  after->upsert(Points(2000, 10, 4).points);
  CHECK(after->count() == expected.size() + 10);
  database.reset();
  database = Database::open(directory / "elsewhere", quiet());  // `before` and `after` keep the first one locked
  CHECK(all_records(*database->recover_collection("words", file)).size() == expected.size());
  database.reset();
  for (const auto& entry : std::filesystem::directory_iterator(rocks_of(directory / "elsewhere", "words")))
    if (entry.path().filename().string().starts_with("MANIFEST")) std::filesystem::resize_file(entry.path(), 3);
  database = Database::open(directory / "elsewhere", quiet());
  REQUIRE(database->damaged().size() == 1);
  error_of(ErrorCode::data_loss, [&] { database->create_snapshot("words"); });
  check_same(all_records(*database->recover_collection("words", file)), expected);
  CHECK(database->damaged().empty());
}

TEST_CASE("after a recovery the files of before go with their last user") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory / "data", quiet());
  auto before = make_mixed(*database, "words");
  const auto file = copy_out(*database, "words", database->create_snapshot("words").name, directory / "s");
  database->recover_collection("words", file);
  CHECK(entries_in(directory / "data/collections/words") == 4);  // CURRENT, two rows, one generations
  before.reset();
  CHECK(entries_in(directory / "data/collections/words") == 3);
}

TEST_CASE("the whole database goes into one snapshot") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory / "data", quiet());
  const auto words = all_records(*make_mixed(*database, "words"));
  const auto books = all_records(*make_mixed(*database, "books"));
  database->create_collection("empty", options_of(Metric::cosine));
  const SnapshotInfo made = database->create_snapshot(std::nullopt);
  CHECK(database->snapshots(std::nullopt).size() == 1);
  CHECK(database->snapshots("words").empty());
  const auto file = copy_out(*database, std::nullopt, made.name, directory / "full");

  const auto target = Database::open(directory / "target", quiet());
  target->create_collection("kept", options_of());
  target->create_collection("words", options_of(Metric::dot));
  CHECK(target->recover_all(file) == std::vector<std::string>{"books", "empty", "words"});
  CHECK(target->collection_names() == std::vector<std::string>{"books", "empty", "kept", "words"});
  check_same(all_records(*target->collection("words")), words);
  check_same(all_records(*target->collection("books")), books);
  CHECK(target->collection("empty")->options().metric == Metric::cosine);
  check_same(all_records(*target->recover_collection("books", file)), books);  // one of several, by its name
  error_of(ErrorCode::not_found, [&] { target->recover_collection("none", file); });
}

TEST_CASE("a snapshot cut short or altered anywhere changes nothing, or nothing of worth was altered") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  std::mt19937_64 random(test_seed());
  const TemporaryDirectory directory;
  const auto database = Database::open(directory / "data", quiet());
  const auto collection = database->create_collection("words", options_of());
  collection->upsert(Points(0, 250, 1).points);
  build(*collection);
  const auto expected = all_records(*collection);
  const auto info = database->create_snapshot("words");
  const std::string whole = read_file(database->snapshot_file("words", info.name));
  const auto bad = directory / "bad.snapshot";
  collection->upsert(Points(900, 1, 2).points);
  const auto now = all_records(*collection);

  for (const double share : {0.0, 0.0001, 0.01, 0.3, 0.6, 0.9, 0.97}) {
    write_file(bad, whole.substr(0, static_cast<std::size_t>(share * static_cast<double>(whole.size()))));
    const std::string text = error_of(ErrorCode::data_loss, [&] { database->recover_collection("words", bad); });
    CHECK(mentions(text, "snapshot"));
  }
  std::size_t refused = 0;
  constexpr std::size_t kFlips = 40;
  for (std::size_t i = 0; i < kFlips; ++i) {
    std::string altered = whole;
    const std::size_t at = i == 0 ? 0 : i == 1 ? 700 : random() % whole.size();
    altered[at] = static_cast<char>(altered[at] ^ (1 << random() % 8));
    INFO("byte " << at);
    write_file(bad, altered);
    error_of(ErrorCode::failed_precondition,
             [&] { database->recover_collection("words", bad, {.sha256 = info.sha256}); });
    try {
      const auto recovered = database->recover_collection("trial", bad);
      check_same(all_records(*recovered), expected);  // the flip hit padding between files
      database->delete_collection("trial");
    } catch (const Error& error) {
      CHECK(to_string(error.code()) == to_string(ErrorCode::data_loss));
      ++refused;
    }
    CHECK(std::filesystem::is_empty(directory / "data/tmp"));
  }
  CHECK(refused >= kFlips / 2);
  check_same(all_records(*database->collection("words")), now);
  CHECK(database->collection_names() == std::vector<std::string>{"words"});
}

TEST_CASE("an archive that lists what must not be is refused before a file is made") {
  const TemporaryDirectory directory;
  write_file(directory / "source", "bytes");
  for (const char* path :
       {"../evil", "/evil", "collections/0/rocks/../../evil", "collections/0/rocks/", "collections/1/rocks/a",
        "collections/0/other/a", "collections/0/rocks/.hidden", "collections/x/rocks/a"}) {
    INFO(path);
    std::filesystem::remove(directory / "archive");
    std::filesystem::remove_all(directory / "into");
    std::filesystem::create_directory(directory / "into");
    write_snapshot(directory / "archive", {1, {{"words", 1, 1}}, {}}, {{path, directory / "source"}});
    error_of(ErrorCode::data_loss, [&] { unpack_snapshot(directory / "archive", directory / "into"); });
    CHECK(std::filesystem::is_empty(directory / "into"));
  }
  std::string newer = encode_snapshot_manifest({});
  newer.replace(newer.find(" 1"), 2, " 2");
  error_of(ErrorCode::failed_precondition, [&] { decode_snapshot_manifest(newer); });
  error_of(ErrorCode::not_found, [&] { unpack_snapshot(directory / "none", directory / "into"); });
}

TEST_CASE("snapshots made while writers write hold every write that was acknowledged before") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory / "data", quiet());
  const auto collection = database->create_collection("words", options_of());
  std::atomic<std::uint64_t> acknowledged{0};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::uint64_t batch = 0; !stop; ++batch) {
      collection->upsert(Points(batch * 5, 5, batch).points);
      acknowledged = batch + 1;
      if (batch % 60 == 59) build(*collection);
    }
  });
  const auto target = Database::open(directory / "target", quiet());
  for (int i = 0; i < 4; ++i) {
    while (acknowledged < static_cast<std::uint64_t>(i) * 40 + 20) std::this_thread::yield();
    const std::uint64_t before = acknowledged;
    const auto made = database->create_snapshot("words");
    const std::uint64_t after = acknowledged + 1;
    const auto recovered = target->recover_collection("words", database->snapshot_file("words", made.name));
    CHECK(recovered->count() >= before * 5);
    CHECK(recovered->count() <= after * 5);
    CHECK(recovered->count() % 5 == 0);
    for (std::uint64_t batch = 0; batch < before; batch += 7) check_finds(*recovered, Points(batch * 5, 5, batch));
    CHECK(database->delete_snapshot("words", made.name));
  }
  stop = true;
  writer.join();
  CHECK(database->snapshots("words").empty());
  CHECK_FALSE(database->delete_snapshot("words", "words-2026-01-01-00-00-00.snapshot"));
}

TEST_CASE("names of snapshots lead nowhere else") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory / "data", quiet());
  database->create_collection("words", options_of());
  for (const char* name : {"", "../../LOCK", "a/b.snapshot", ".hidden.snapshot", "words", "/etc/passwd"}) {
    INFO(name);
    error_of(ErrorCode::invalid_argument, [&] { database->snapshot_file("words", name); });
    error_of(ErrorCode::invalid_argument, [&] { database->delete_snapshot("words", name); });
  }
  error_of(ErrorCode::not_found, [&] { database->snapshot_file("words", "none.snapshot"); });
  error_of(ErrorCode::not_found, [&] { database->create_snapshot("none"); });
}

TEST_CASE("killed at any moment of a recovery, the collection is the one before or the one after") {
  const TemporaryDirectory directory;
  std::vector<Record> a, b;
  {
    const auto database = Database::open(directory / "data", quiet());
    const auto collection = database->create_collection("words", options_of());
    collection->upsert(Points(0, 100, 1).points);
    a = all_records(*collection);
    copy_out(*database, "words", database->create_snapshot("words").name, directory / "a.snapshot");
    collection->upsert(Points(0, 100, 2).points);
    b = all_records(*collection);
    copy_out(*database, "words", database->create_snapshot("words").name, directory / "b.snapshot");
  }
  for (int round = 0; round < 4; ++round) {
    ChildProcess child(kRecoverForever, directory.path());
    for (int i = 0; i < round; ++i) REQUIRE(child.receive().has_value());
    child.kill_now();
    const auto database = Database::open(directory / "data", quiet());
    CHECK(database->damaged().empty());
    const auto found = all_records(*database->collection("words"));
    REQUIRE(found.size() == a.size());
    check_same(found, found[0].version == a[0].version ? a : b);
    CHECK(entries_in(directory / "data/collections/words") <= 3);
  }
}

TEST_CASE("a collection's directory with two sets of rows and no word which counts is damaged, not guessed at") {
  const TemporaryDirectory directory;
  {
    const auto database = Database::open(directory.path(), quiet());
    database->create_collection("words", options_of())->upsert(Points(0, 10, 1).points);
  }
  const auto rocks = rocks_of(directory.path(), "words");
  const auto home = directory / "collections/words";
  std::filesystem::copy(rocks, home / "rocks-0123456789abcdef", std::filesystem::copy_options::recursive);
  CHECK(mentions(Database::open(directory.path(), quiet())->damaged().at(0).reason, "2 directories rocks-*"));
  write_file(home / "CURRENT", "nonsense\n");
  CHECK(Database::open(directory.path(), quiet())->damaged().size() == 1);
  std::filesystem::remove_all(home / "rocks-0123456789abcdef");
  LogLines log;  // with one set of rows there is nothing to guess
  CHECK(Database::open(directory.path(), log.options())->collection("words")->count() == 10);
  CHECK(log.say("CURRENT"));
}

TEST_CASE("a snapshot is not recovered at an alias's name, where its collection would not be seen") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  database->create_collection("a", options_of())->upsert(Points(0, 3, 1).points);
  database->create_collection("b", options_of())->upsert(Points(0, 5, 1).points);
  const SnapshotInfo all = database->create_snapshot(std::nullopt);
  const auto file = copy_out(*database, std::nullopt, all.name, directory / "all.snapshot");
  const AliasChange make{AliasChange::Kind::create, "x", "a"};
  database->change_aliases({&make, 1});
  RecoverOptions from_b;
  from_b.source = "b";
  error_of(ErrorCode::already_exists, [&] { database->recover_collection("x", file, from_b); });
  CHECK(database->collection("x")->count() == 3);
  CHECK(database->collection_names() == std::vector<std::string>{"a", "b"});

  // The same for one of several: the others stay as they were.
  database->delete_collection("b");
  const AliasChange hide{AliasChange::Kind::create, "b", "a"};
  database->change_aliases({&hide, 1});
  const PointId gone = PointId::number(0);
  database->collection("a")->erase({&gone, 1});
  error_of(ErrorCode::already_exists, [&] { database->recover_all(file); });
  CHECK(database->collection("a")->count() == 2);
}

TEST_CASE("one collection of a snapshot of several is recovered under another name") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  database->create_collection("a", options_of())->upsert(Points(0, 3, 1).points);
  database->create_collection("b", options_of())->upsert(Points(0, 5, 1).points);
  const SnapshotInfo all = database->create_snapshot(std::nullopt);
  const auto file = database->snapshot_file(std::nullopt, all.name);
  RecoverOptions options;
  options.source = "b";
  CHECK(database->recover_collection("c", file, options)->count() == 5);
  options.source = "d";
  CHECK(error_of(ErrorCode::not_found, [&] { database->recover_collection("e", file, options); }).find("`a`, `b`") !=
        std::string::npos);
  error_of(ErrorCode::not_found, [&] { database->recover_collection("e", file); });
}
