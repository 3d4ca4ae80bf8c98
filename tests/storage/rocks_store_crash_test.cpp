// Broken on purpose: killed writers, a full disk, flipped and missing bytes.
#include <unistd.h>

#include <algorithm>

#include "storage/rocks_store.h"
#include "tests/storage/child_process.h"
#include "tests/storage/expect_error.h"
#include "tests/storage/store_rows.h"
#include "tests/support/temporary_directory.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

constexpr Slot kPerOperation = 5;

// Operation n writes points 4(n-1) .. 4(n-1)+4, the first of which replaces the last of operation n-1: whatever
// is on disk after a kill must be a whole number of these.
OwnedOperation numbered_operation(Sequence n) {
  const Slot first_slot = static_cast<Slot>((n - 1) * kPerOperation);
  const std::uint64_t first_id = (n - 1) * (kPerOperation - 1);
  OwnedOperation operation(n, first_slot + kPerOperation);
  operation.upsert(number(first_id), first_slot, n == 1 ? kNoSlot : first_slot - 1);
  for (Slot i = 1; i < kPerOperation; ++i) operation.upsert(number(first_id + i), first_slot + i);
  return operation;
}

std::uint64_t points_after(Sequence n) { return n * (kPerOperation - 1) + (n > 0); }

void check_holds(const RocksStore& store, Sequence n) {
  CHECK(store.state().next_slot == n * kPerOperation);
  CHECK(store.state().points == points_after(n));
  CHECK(store.list({}, 10 * points_after(n)).size() == points_after(n));
  std::size_t rows = 0;
  bool right = true;
  store.for_each_vector(0, kNoSlot, 12, [&](Slot slot, std::span<const float> row) {
    const std::vector<float> expected = vector_of(slot);
    right = right && std::equal(row.begin(), row.end(), expected.begin()) && store.header(slot).has_value() &&
            store.read_payload(slot) == payload_of(slot);
    ++rows;
    return true;
  });
  CHECK(right);
  CHECK(rows == points_after(n));
}

// A small write buffer, so that flushes and compactions are under way when the kill comes.
std::shared_ptr<StoreResources> small_buffers() {
  return make_store_resources({.block_cache_bytes = 1 << 20, .write_buffer_bytes = 256 << 10});
}

const ChildProgram kWriteForever("write forever", [](const ChildContext& context) -> int {
  const auto store = RocksStore::open(context.directory, small_buffers());
  for (Sequence n = context.number;; ++n) {
    store->write(numbered_operation(n).operation);
    context.send(n);
  }
});

// Files of at most 256 KB: the log soon refuses to grow.
const ChildProgram kWriteUntilFull("write until the disk is full", [](const ChildContext& context) -> int {
  const auto store = RocksStore::open(context.directory, make_store_resources());
  limit_file_size(256 << 10);
  for (Sequence n = 1;; ++n) {
    try {
      store->write(numbered_operation(n).operation);
      context.send(n);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::resource_exhausted) return 1;
      if (store->state().sequence != n - 1 || store->state().points != points_after(n - 1)) return 2;
      ::_exit(0);  // as a crash would: no closing
    }
  }
});

// Reads all there is, throws what that throws, and is true when it is what `rows` rows in one operation hold.
bool holds_all(const RocksStore& store, Slot rows) {
  bool right = true;
  Slot vectors = 0, headers = 0;
  store.for_each_vector(0, kNoSlot, 12, [&](Slot slot, std::span<const float> row) {
    const std::vector<float> expected = vector_of(slot);
    right = right && slot == vectors++ && std::equal(row.begin(), row.end(), expected.begin());
    return true;
  });
  store.for_each_header(0, [&](const RowHeader& row) {
    right = right && row.slot == headers++ && row.id == number(row.slot) &&
            store.read_payload(row.slot) == payload_of(row.slot);
    return true;
  });
  return right && vectors == rows && headers == rows && store.list({}, kNoSlot).size() == rows;
}

}  // namespace

TEST_CASE("killed at any moment, every acknowledged operation is there and the last one is whole or absent") {
  const TemporaryDirectory directory;
  make_store(directory / "s");
  Sequence acknowledged = 0;
  for (int round = 0; round < 6; ++round) {
    ChildProcess child(kWriteForever, directory / "s", acknowledged + 1);
    const Sequence enough = acknowledged + 20 + static_cast<Sequence>(round) * 25;
    while (acknowledged < enough) {
      const auto next = child.receive();
      REQUIRE(next.has_value());
      acknowledged = *next;
    }
    child.kill_now();
    while (const auto next = child.receive()) acknowledged = *next;
    const auto store = RocksStore::open(directory / "s", make_store_resources());
    const Sequence found = store->state().sequence;
    CHECK(found >= acknowledged);
    CHECK(found <= acknowledged + 1);
    check_holds(*store, found);
    acknowledged = found;
  }
}

TEST_CASE("a write that fails on a full disk is reported, changes nothing, and loses nothing before it") {
  const TemporaryDirectory directory;
  make_store(directory / "s");
  ChildProcess child(kWriteUntilFull, directory / "s");
  Sequence acknowledged = 0;
  while (const auto next = child.receive()) acknowledged = *next;
  CHECK(child.wait() == 0);
  CHECK(acknowledged > 20);
  const auto store = RocksStore::open(directory / "s", make_store_resources());
  CHECK(store->state().sequence == acknowledged);
  check_holds(*store, acknowledged);
  store->write(numbered_operation(acknowledged + 1).operation);
  check_holds(*store, acknowledged + 1);
}

TEST_CASE("a flipped byte in a sorted file is data loss, never a wrong answer") {
  constexpr Slot kRows = 100000;
  const TemporaryDirectory directory;
  auto store = make_store(directory / "s");
  OwnedOperation large(1, kRows);
  for (Slot slot = 0; slot < kRows; ++slot) large.upsert(number(slot), slot);
  store->write(large.operation);
  store.reset();  // large enough to be flushed at closing
  std::vector<std::filesystem::path> tables;
  for (const auto& entry : std::filesystem::directory_iterator(directory / "s"))
    if (entry.path().extension() == ".sst") tables.push_back(entry.path());
  std::size_t noticed = 0;
  for (const auto& table : tables) {
    INFO(table);
    const std::string whole = read_file(table);
    bool any = false;
    for (const std::size_t part : {3, 4, 8}) {  // one may hit RocksDB's own statistics, which harms nobody
      std::string flipped = whole;
      flipped[whole.size() / part] = static_cast<char>(flipped[whole.size() / part] ^ 1);
      write_file(table, flipped);
      try {
        store = RocksStore::open(directory / "s", make_store_resources());
        const bool right = holds_all(*store, kRows);
        CHECK(right);
      } catch (const Error& error) {
        CHECK(to_string(error.code()) == to_string(ErrorCode::data_loss));
        any = true;
      }
      store.reset();
      if (any) break;
    }
    noticed += any;
    write_file(table, whole);
  }
  CHECK(noticed >= 3);  // vectors, headers, ids
  CHECK(holds_all(*RocksStore::open(directory / "s", make_store_resources()), kRows));
}

TEST_CASE("a store with missing or damaged files is an error that names the trouble") {
  const TemporaryDirectory directory;
  make_store(directory / "s")->write(numbered_operation(1).operation);
  const auto opens_with = [&](ErrorCode code) {
    return error_of(code, [&] { RocksStore::open(directory / "s", make_store_resources()); });
  };
  const auto manifest = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(directory / "s"))
      if (entry.path().filename().string().starts_with("MANIFEST")) return entry.path();
    return std::filesystem::path();
  }();
  const std::string whole = read_file(manifest);
  write_file(manifest, whole.substr(0, whole.size() / 2) + "x" + whole.substr(whole.size() / 2 + 1));
  opens_with(ErrorCode::data_loss);
  write_file(manifest, whole);
  write_file(directory / "s/CURRENT", "nonsense");
  CHECK(mentions(opens_with(ErrorCode::data_loss), "CURRENT"));
  std::filesystem::remove(directory / "s/CURRENT");
  CHECK(mentions(opens_with(ErrorCode::data_loss), "CURRENT"));
}
