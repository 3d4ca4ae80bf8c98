#include "storage/rocks_store.h"

#include <map>
#include <random>
#include <thread>

#include "tests/storage/expect_error.h"
#include "tests/storage/store_rows.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

Slot slot_of(const RocksStore& store, const PointId& id) {
  Slot slot = 0;
  store.find({&id, 1}, {&slot, 1});
  return slot;
}

std::vector<Slot> dead_slots(const RocksStore& store) {
  std::vector<Slot> dead;
  store.for_each_dead([&](Slot slot) { dead.push_back(slot); });
  return dead;
}

std::vector<Slot> scanned_slots(const RocksStore& store, Slot first, Slot last, std::uint32_t width) {
  std::vector<Slot> slots;
  store.for_each_vector(first, last, width, [&](Slot slot, std::span<const float> row) {
    slots.push_back(slot);
    const std::vector<float> expected = vector_of(slot, store.options().dim);
    REQUIRE(row.size() == width);
    CHECK(std::equal(row.begin(), row.end(), expected.begin()));
    return true;
  });
  return slots;
}

void check_row(const RocksStore& store, Slot slot, const PointId& id, Sequence version) {
  INFO("slot " << slot);
  CHECK(slot_of(store, id) == slot);
  const auto header = store.header(slot);
  REQUIRE(header.has_value());
  CHECK(header->slot == slot);
  CHECK(header->id == id);
  CHECK(header->version == version);
  CHECK(header->value == (slot % 2 == 0 ? std::optional<std::uint32_t>(slot * 10) : std::nullopt));
  std::vector<float> vector(store.options().dim);
  CHECK(store.read_vector(slot, vector));
  CHECK(vector == vector_of(slot, store.options().dim));
  CHECK(store.read_payload(slot) == payload_of(slot));
}

void check_gone(const RocksStore& store, Slot slot) {
  INFO("slot " << slot);
  std::vector<float> vector(store.options().dim);
  CHECK_FALSE(store.header(slot).has_value());
  CHECK_FALSE(store.read_vector(slot, vector));
  CHECK(store.read_payload(slot).empty());
}

// Everything a store can be asked, as text: two stores with the same text hold the same.
std::string dump(const RocksStore& store) {
  std::string text = std::to_string(store.state().sequence) + " " + std::to_string(store.state().next_slot) + " " +
                     std::to_string(store.state().points) + "\n";
  store.for_each_header(0, [&](const RowHeader& row) {
    text += std::to_string(row.slot) + " " + to_string(row.id) + " v" + std::to_string(row.version) + " " +
            (row.value ? std::to_string(*row.value) : "-") + " " + store.read_payload(row.slot);
    std::vector<float> vector(store.options().dim);
    CHECK(store.read_vector(row.slot, vector));
    for (const float x : vector) text += " " + std::to_string(x);
    text += "\n";
    return true;
  });
  for (const auto& [id, slot] : store.list({}, 1000000)) text += to_string(id) + "=" + std::to_string(slot) + "\n";
  for (const Slot slot : dead_slots(store)) text += "dead " + std::to_string(slot) + "\n";
  return text;
}

}  // namespace

TEST_CASE("a new store is empty and remembers its options and attributes") {
  const TemporaryDirectory directory;
  CollectionOptions options = small_options(ScalarType::float16);
  options.exact_below = 123;
  auto store = make_store(directory / "s", options, "{\"a\":1}");
  for (int round = 0; round < 2; ++round) {
    CHECK(store->options() == options);
    CHECK(store->attributes() == "{\"a\":1}");
    CHECK(store->state().sequence == 0);
    CHECK(store->state().next_slot == 0);
    CHECK(store->state().points == 0);
    CHECK(slot_of(*store, number(0)) == kNoSlot);
    CHECK(store->list({}, 10).empty());
    check_gone(*store, 0);
    reopen(store, directory / "s");
  }
}

TEST_CASE("what was written is there, before and after reopening") {
  const TemporaryDirectory directory;
  for (const ScalarType type : {ScalarType::float32, ScalarType::float16}) {
    const auto where = directory / std::string(to_string(type));
    auto store = make_store(where, small_options(type));
    store->write(OwnedOperation(1, 3).upsert(number(5), 0).upsert(uuid(1, 2), 1).upsert(number(~0ull), 2).operation);
    store->write(OwnedOperation(2, 4).upsert(number(6), 3).operation);
    for (int round = 0; round < 2; ++round) {
      CHECK(store->state().sequence == 2);
      CHECK(store->state().next_slot == 4);
      CHECK(store->state().points == 4);
      check_row(*store, 0, number(5), 1);
      check_row(*store, 1, uuid(1, 2), 1);
      check_row(*store, 2, number(~0ull), 1);
      check_row(*store, 3, number(6), 2);
      check_gone(*store, 4);
      reopen(store, where);
    }
  }
}

TEST_CASE("replaced and erased rows are gone and their slots are listed as dead") {
  const TemporaryDirectory directory;
  auto store = make_store(directory / "s");
  store->write(OwnedOperation(1, 3).upsert(number(1), 0).upsert(number(2), 1).upsert(number(3), 2).operation);
  store->write(OwnedOperation(2, 4).upsert(number(2), 3, 1).operation);
  store->write(OwnedOperation(3, 4).erase(number(1), 0).operation);
  for (int round = 0; round < 2; ++round) {
    CHECK(store->state().points == 2);
    check_gone(*store, 0);
    check_gone(*store, 1);
    check_row(*store, 2, number(3), 1);
    check_row(*store, 3, number(2), 2);
    CHECK(slot_of(*store, number(1)) == kNoSlot);
    CHECK(dead_slots(*store) == std::vector<Slot>{0, 1});
    CHECK(scanned_slots(*store, 0, 100, 12) == std::vector<Slot>{2, 3});
    reopen(store, directory / "s");
  }
}

TEST_CASE("a point that occurs twice in one operation ends as its last version") {
  const TemporaryDirectory directory;
  const auto store = make_store(directory / "s");
  store->write(OwnedOperation(1, 2).upsert(number(1), 0).upsert(number(1), 1, 0).operation);
  CHECK(store->state().points == 1);
  check_gone(*store, 0);
  check_row(*store, 1, number(1), 1);
  CHECK(dead_slots(*store) == std::vector<Slot>{0});
}

TEST_CASE("a payload change keeps the vector and replaces payload, value and version") {
  const TemporaryDirectory directory;
  auto store = make_store(directory / "s");
  store->write(OwnedOperation(1, 2).upsert(number(1), 0).upsert(number(2), 1).operation);
  store->write(OwnedOperation(2, 3)
                   .upsert(uuid(9, 9), 2)
                   .payload(0, "{\"new\":true}", 77)
                   .payload(1, "", std::nullopt)
                   .payload(2, "{\"same\":\"operation\"}", 5)
                   .operation);
  for (int round = 0; round < 2; ++round) {
    CHECK(store->read_payload(0) == "{\"new\":true}");
    CHECK(store->header(0)->value == 77);
    CHECK(store->header(0)->version == 2);
    CHECK(store->read_payload(1).empty());
    CHECK_FALSE(store->header(1)->value.has_value());
    CHECK(store->read_payload(2) == "{\"same\":\"operation\"}");
    CHECK(store->header(2)->id == uuid(9, 9));
    CHECK(scanned_slots(*store, 0, 3, 12) == std::vector<Slot>{0, 1, 2});
    reopen(store, directory / "s");
  }
}

TEST_CASE("an operation applied twice leaves the same state") {
  const TemporaryDirectory directory;
  auto store = make_store(directory / "s");
  const OwnedOperation first = OwnedOperation(1, 2).upsert(number(1), 0).upsert(number(2), 1);
  const OwnedOperation second = OwnedOperation(2, 3).upsert(number(1), 2, 0).erase(number(2), 1).payload(2, "{}", 3);
  store->write(first.operation);
  store->write(second.operation);
  const std::string once = dump(*store);
  store->write(second.operation);
  store->write(first.operation);
  CHECK(dump(*store) == once);
  reopen(store, directory / "s");
  store->write(first.operation);
  store->write(second.operation);
  CHECK(dump(*store) == once);
}

TEST_CASE("an operation that contradicts itself changes nothing") {
  const TemporaryDirectory directory;
  const auto store = make_store(directory / "s");
  store->write(OwnedOperation(1, 2).upsert(number(1), 0).upsert(number(2), 1).operation);
  const std::string before = dump(*store);
  const auto refused = [&](const OwnedOperation& bad, const std::string& why) {
    const std::string message = error_of(ErrorCode::invalid_argument, [&] { store->write(bad.operation); });
    INFO(message);
    CHECK(mentions(message, why));
    CHECK(dump(*store) == before);
  };
  refused(OwnedOperation(2, 3).upsert(number(3), 2, kNoSlot, 11), "11 coordinates");
  refused(OwnedOperation(2, 3).upsert(number(3), 2).upsert(number(4), 3), "slot 3");
  refused(OwnedOperation(2, 1), "next slot 1");
  refused(OwnedOperation(2, 2).payload(1, "{}", 1).erase(number(2), 1), "holds no row");
}

TEST_CASE("ids are listed integers first, ascending, from any id on") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  std::mt19937_64 random(test_seed());
  const TemporaryDirectory directory;
  auto store = make_store(directory / "s");
  std::map<PointId, Slot> expected;
  OwnedOperation operation(1, 300);
  for (Slot slot = 0; slot < 300; ++slot) {
    const PointId id = slot % 2 ? number(random() >> (random() % 64)) : uuid(random() % 4, random());
    if (!expected.emplace(id, slot).second) continue;
    operation.upsert(id, slot);
  }
  store->write(operation.operation);
  reopen(store, directory / "s");
  const std::vector<std::pair<PointId, Slot>> all(expected.begin(), expected.end());
  CHECK(store->list({}, 1000) == all);
  for (const std::size_t from : {std::size_t{0}, std::size_t{1}, all.size() / 2, all.size() - 1}) {
    const auto part = store->list(all[from].first, 7);
    CHECK(part == std::vector(all.begin() + from, all.begin() + std::min(from + 7, all.size())));
  }
  CHECK(store->list(uuid(~0ull, ~0ull), 5).empty());
  CHECK(store->list({}, 0).empty());
}

TEST_CASE("many ids are found at once, unknown ones among them") {
  const TemporaryDirectory directory;
  const auto store = make_store(directory / "s");
  OwnedOperation operation(1, 500);
  std::vector<PointId> ids;
  for (Slot slot = 0; slot < 500; ++slot) {
    operation.upsert(number(slot * 2), slot);
    ids.push_back(number(slot * 2));
    ids.push_back(number(slot * 2 + 1));
  }
  store->write(operation.operation);
  std::vector<Slot> slots(ids.size());
  store->find(ids, slots);
  for (Slot slot = 0; slot < 500; ++slot) {
    CHECK(slots[slot * 2] == slot);
    CHECK(slots[slot * 2 + 1] == kNoSlot);
  }
}

TEST_CASE("scans visit live rows of the range in slot order, at every width and in both scalar types") {
  const TemporaryDirectory directory;
  for (const ScalarType type : {ScalarType::float32, ScalarType::float16}) {
    const auto where = directory / std::string(to_string(type));
    auto store = make_store(where, small_options(type));
    OwnedOperation operation(1, 300);
    for (Slot slot = 0; slot < 300; ++slot) operation.upsert(number(1000 - slot), slot);
    store->write(operation.operation);
    store->write(OwnedOperation(2, 300).erase(number(1000), 0).erase(number(900), 100).operation);
    for (int round = 0; round < 2; ++round) {
      for (std::uint32_t width = 1; width <= 12; ++width) {
        CHECK(scanned_slots(*store, 0, kNoSlot, width).size() == 298);
        CHECK(scanned_slots(*store, 98, 102, width) == std::vector<Slot>{98, 99, 101});
      }
      CHECK(scanned_slots(*store, 50, 50, 12).empty());
      CHECK(scanned_slots(*store, 299, kNoSlot, 12) == std::vector<Slot>{299});
      std::vector<Slot> headers;
      store->for_each_header(99, [&](const RowHeader& row) {
        headers.push_back(row.slot);
        return headers.size() < 3;
      });
      CHECK(headers == std::vector<Slot>{99, 101, 102});
      int visited = 0;
      store->for_each_vector(0, 300, 4, [&](Slot, std::span<const float>) { return ++visited < 5; });
      CHECK(visited == 5);
      reopen(store, where);
    }
  }
}

TEST_CASE("rows are visited together with their payloads, in slot order, as of one moment") {
  const TemporaryDirectory directory;
  auto store = make_store(directory / "s");
  OwnedOperation first(1, 100);
  for (Slot slot = 0; slot < 100; ++slot) first.upsert(number(slot), slot);
  store->write(first.operation);
  store->write(OwnedOperation(2, 101).upsert(number(40), 100, 40).erase(number(41), 41).payload(43, "", {}).operation);
  for (const Slot from : {0u, 40u, 43u, 99u, 101u}) {
    std::vector<Slot> seen;
    store->for_each_payload(from, [&](const RowHeader& row, std::string_view payload) {
      seen.push_back(row.slot);
      CHECK(row.id == (row.slot == 100 ? number(40) : number(row.slot)));
      CHECK(payload == (row.slot == 43 ? "" : payload_of(row.slot)));
      if (row.slot == 50) store->write(OwnedOperation(store->state().sequence + 1, 101).payload(60, "{}", {}).operation);
      return true;
    });
    std::vector<Slot> expected;
    for (Slot slot = from; slot <= 100; ++slot)
      if (slot != 40 && slot != 41) expected.push_back(slot);
    CHECK(seen == expected);
    store->write(OwnedOperation(store->state().sequence + 1, 101).payload(60, payload_of(60), {}).operation);
  }
  int visits = 0;
  store->for_each_payload(0, [&](const RowHeader&, std::string_view) { return ++visits < 3; });
  CHECK(visits == 3);
}

TEST_CASE("a prefix of any length is read from a row") {
  const TemporaryDirectory directory;
  const auto store = make_store(directory / "s");
  store->write(OwnedOperation(1, 1).upsert(number(1), 0).operation);
  const std::vector<float> whole = vector_of(0);
  for (std::size_t width = 1; width <= 12; ++width) {
    std::vector<float> prefix(width);
    CHECK(store->read_vector(0, prefix));
    CHECK(std::equal(prefix.begin(), prefix.end(), whole.begin()));
  }
  std::vector<float> too_long(13);
  error_of(ErrorCode::invalid_argument, [&] { store->read_vector(0, too_long); });
  error_of(ErrorCode::invalid_argument,
           [&] { store->for_each_vector(0, 1, 13, [](Slot, std::span<const float>) { return true; }); });
}

TEST_CASE("a store that is open cannot be opened again") {
  const TemporaryDirectory directory;
  const auto store = make_store(directory / "s");
  error_of(ErrorCode::failed_precondition, [&] { RocksStore::open(directory / "s", make_store_resources()); });
}

TEST_CASE("opening what is no store says so") {
  const TemporaryDirectory directory;
  error_of(ErrorCode::not_found, [&] { RocksStore::open(directory / "none", make_store_resources()); });
  std::filesystem::create_directory(directory / "empty");
  error_of(ErrorCode::data_loss, [&] { RocksStore::open(directory / "empty", make_store_resources()); });
  CHECK(std::filesystem::is_empty(directory / "empty"));
  write_file(directory / "file", "x");
  CHECK_THROWS_AS(RocksStore::create(directory / "file", small_options(), "{}", make_store_resources()), Error);
}

TEST_CASE("readers see whole operations while a writer writes") {
  const TemporaryDirectory directory;
  const auto store = make_store(directory / "s");
  // Every operation replaces both points; a reader that scans must find exactly one live version of each.
  store->write(OwnedOperation(1, 2).upsert(number(0), 0).upsert(number(1), 1).operation);
  std::thread writer([&] {
    for (Slot round = 1; round < 200; ++round)
      store->write(OwnedOperation(round + 1, round * 2 + 2)
                       .upsert(number(0), round * 2, round * 2 - 2)
                       .upsert(number(1), round * 2 + 1, round * 2 - 1)
                       .operation);
  });
  bool whole = true;
  Sequence seen = 0;
  while (seen < 200) {
    std::vector<Slot> slots;
    store->for_each_vector(0, kNoSlot, 12, [&](Slot slot, std::span<const float> row) {
      const std::vector<float> expected = vector_of(slot);
      whole = whole && std::equal(row.begin(), row.end(), expected.begin());
      slots.push_back(slot);
      return true;
    });
    whole = whole && slots.size() == 2 && slots[1] == slots[0] + 1;
    seen = store->state().sequence;
  }
  writer.join();
  CHECK(whole);
}
