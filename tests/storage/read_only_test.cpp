// A disk that takes no writes for a while: the collection is read-only and says why, loses nothing, and recovers by
// itself.
#include <sys/resource.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "storage/rocks_store.h"
#include "tests/storage/child_process.h"
#include "tests/storage/database_fixtures.h"
#include "tests/storage/disk_faults.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

struct Trouble {
  int error;
  ErrorCode code;
  const char* text;
};
const Trouble kTroubles[] = {{ENOSPC, ErrorCode::resource_exhausted, "No space left"},
                             {EROFS, ErrorCode::permission_denied, "Read-only file system"},
                             {EMFILE, ErrorCode::resource_exhausted, "Too many open files"},
                             {EIO, ErrorCode::internal, "Input/output error"}};

// What a write throws; nullopt: it was taken.
std::optional<Error> refusal_of(Collection& collection, std::uint64_t id, std::uint64_t stream) {
  try {
    collection.upsert(Points(id, 1, stream).points);
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
}

// Returns when a write is taken; the time limit of the whole test is the only other end.
void write_until_taken(Collection& collection, std::uint64_t id, std::uint64_t stream) {
  while (refusal_of(collection, id, stream)) std::this_thread::yield();
}

void check_holds(const Collection& collection, std::uint64_t first, std::size_t count, std::uint64_t stream) {
  const Points expected(first, count, stream);
  bool same = true;
  for (std::size_t i = 0; i < count; ++i) {
    const auto record = collection.get(PointId::number(first + i), true, false);
    same = same && record && std::equal(record->vector.begin(), record->vector.end(), expected.vector(i).begin());
    SearchOptions exact;
    exact.exact = true;
    exact.k = 1;
    same = same && collection.search(expected.vector(i), exact).hits.at(0).id.low == first + i;
  }
  CHECK(same);
}

}  // namespace

TEST_CASE("while the disk takes no writes a collection is read-only and says why, and it recovers by itself") {
  for (const Trouble& trouble : kTroubles) {
    INFO(trouble.text);
    const TemporaryDirectory directory;
    {
      const auto database = Database::open(directory / "data", quiet());
      const auto collection = database->create_collection("words", options_of());
      collection->upsert(Points(0, 300, 1).points);
      build(*collection);
      collection->upsert(Points(300, 50, 2).points);
      CHECK(collection->info().read_only_because.empty());

      fail_disk(directory / "data", 1, trouble.error, true);
      const auto first = refusal_of(*collection, 400, 3);
      REQUIRE(first);
      CHECK(first->code() == trouble.code);
      CHECK(mentions(first->what(), trouble.text));
      const auto second = refusal_of(*collection, 401, 3);
      REQUIRE(second);
      CHECK(second->code() == trouble.code);
      CHECK(mentions(second->what(), trouble.text));
      CHECK(mentions(second->what(), "read-only for now"));
      CHECK(mentions(collection->info().read_only_because, trouble.text));
      CHECK_THROWS_AS(collection->erase(std::vector{PointId::number(5)}), Error);
      CHECK_THROWS_AS(collection->fold(deterministic()), Error);
      CHECK_THROWS_AS(collection->compact(deterministic()), Error);
      check_holds(*collection, 0, 300, 1);
      check_holds(*collection, 300, 50, 2);
      heal_disk();

      write_until_taken(*collection, 500, 4);
      CHECK(collection->info().read_only_because.empty());
      collection->upsert(Points(501, 50, 5).points);
      collection->fold(deterministic());
      collection->compact(deterministic());
      CHECK(collection->count() == 401);
    }
    const auto again = Database::open(directory / "data", quiet())->collection("words");
    CHECK(again->count() == 401);
    check_holds(*again, 0, 300, 1);
    check_holds(*again, 300, 50, 2);
    check_holds(*again, 500, 1, 4);
    check_holds(*again, 501, 50, 5);
  }
}

namespace {

const ChildProgram kFailedSync("go on after a failed sync", [](const ChildContext& context) -> int {
  record_syncs(context.directory / "journal");
  const auto database = Database::open(context.directory / "data", quiet());
  const auto collection = database->create_collection("words", options_of());
  collection->upsert(Points(0, 10, 1).points);
  fail_disk(context.directory / "data", 2, EIO, false);  // the log is written, then synced
  const auto refused = refusal_of(*collection, 10, 2);
  heal_disk();
  context.send(refused && mentions(refused->what(), "whether the last writes are durable is unknown"));
  write_until_taken(*collection, 11, 3);
  context.send(1);
  for (;;) ::pause();
});

}  // namespace

// The kernel may drop what it could not write and report nothing the second time.
TEST_CASE("after a failed sync no write is acknowledged because of the log that was not synced") {
  const TemporaryDirectory directory;
  {
    ChildProcess child(kFailedSync, directory.path(), 0);
    REQUIRE(child.receive() == 1);
    REQUIRE(child.receive() == 1);
    child.kill_now();
  }
  lose_unsynced(directory / "data", directory / "journal");
  const auto collection = Database::open(directory / "data", quiet())->collection("words");
  check_holds(*collection, 0, 10, 1);
  check_holds(*collection, 11, 1, 3);
}

namespace {

// Ten rows of one operation, told by its sequence number.
struct TenRows {
  std::vector<float> vectors;
  WriteOperation operation;

  explicit TenRows(Sequence sequence) : vectors(nested_vectors(10, kDim, sequence)) {
    operation.sequence = sequence;
    operation.next_slot = static_cast<Slot>(sequence * 10);
    for (std::uint64_t i = 0; i < 10; ++i)
      operation.upserts.push_back({PointId::number((sequence - 1) * 10 + i), static_cast<Slot>((sequence - 1) * 10 + i),
                                   kNoSlot, {vectors.data() + i * kDim, kDim}, {}, {}});
  }
};

// Uses up the file descriptors, writes until a new file is needed, and frees them again. Sends how many operations were
// acknowledged before the refusal, and how many after it.
const ChildProgram kOutOfFiles("write without file descriptors", [](const ChildContext& context) -> int {
  RocksStore::create(context.directory, options_of(), {}, make_store_resources());
  const auto store = RocksStore::open(context.directory, make_store_resources({.write_buffer_bytes = 1 << 20}));
  const rlimit limit{200, 200};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> files;
  for (int fd = ::open("/dev/null", O_RDONLY); fd >= 0; fd = ::open("/dev/null", O_RDONLY)) files.push_back(fd);
  Sequence acknowledged = 0;
  const auto write = [&]() -> std::optional<Error> {
    try {
      store->write(TenRows(acknowledged + 1).operation);
      store->sync(acknowledged + 1);
      ++acknowledged;
      return std::nullopt;
    } catch (const Error& error) {
      return error;
    }
  };
  std::optional<Error> refused;
  while (!refused && acknowledged < 20'000) refused = write();
  if (!refused || refused->code() != ErrorCode::resource_exhausted || !mentions(refused->what(), "Too many open files")) {
    std::fprintf(stderr, "%s\n", refused ? refused->what() : "no write was refused");
    return 1;
  }
  if (store->state().sequence != acknowledged && store->state().sequence != acknowledged + 1) return 2;
  acknowledged = store->state().sequence;
  context.send(acknowledged);
  for (const int fd : files) ::close(fd);
  while (write()) std::this_thread::yield();
  context.send(acknowledged);
  return 0;
});

}  // namespace

TEST_CASE("used-up file descriptors make a store read-only until there are some again") {
  const TemporaryDirectory directory;
  ChildProcess child(kOutOfFiles, directory / "data", 0);
  const auto before = child.receive();
  REQUIRE(before);
  CHECK(child.receive() == *before + 1);
  CHECK(child.wait() == 0);
  const auto store = RocksStore::open(directory / "data", make_store_resources());
  CHECK(store->state().sequence == *before + 1);
  CHECK(store->state().points == 10 * (*before + 1));
  std::vector<float> row(kDim);
  bool same = true;
  for (Sequence sequence = 1; sequence <= *before + 1; ++sequence) {
    const TenRows expected(sequence);
    for (const UpsertRecord& u : expected.operation.upserts)
      same = same && store->read_vector(u.slot, row) && std::equal(row.begin(), row.end(), u.vector.begin());
  }
  CHECK(same);
}
