// Every operation on the disk fails once, one after the other, through a whole life of a collection: what was
// acknowledged is there afterwards, what was not is there whole or not at all, and no half-written file is served.
// The long form, every single operation: NESTOR_TEST_FAULT_STEP=1 nestor_storage_tests "the disk fails*".
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "tests/storage/database_fixtures.h"
#include "tests/storage/disk_faults.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

// What each id holds (the stream its vector is of), and what it would hold if the last, failed write got through.
struct Expected {
  std::map<std::uint64_t, std::uint64_t> sure;
  std::map<std::uint64_t, std::uint64_t> perhaps;
};

// One life: create, write, fold, erase, compact, snapshot. A step that fails ends the life.
class Life {
 public:
  Life(const std::filesystem::path& directory, Expected& expected) : directory_(directory), expected_(expected) {}

  void run() {
    auto database = Database::open(directory_, quiet());
    if (!database->contains("words")) database->create_collection("words", options_of());
    const auto collection = database->collection("words");
    upsert(*collection, 0, 260, 1);
    maintain([&] { build(*collection); });
    upsert(*collection, 200, 100, 2);
    maintain([&] { collection->fold(deterministic()); });
    erase(*collection, 30, 60);
    upsert(*collection, 10, 10, 3);
    maintain([&] { collection->compact(deterministic()); });
    upsert(*collection, 290, 20, 4);
    maintain([&] { database->create_snapshot("words"); });
    maintain([&] { collection->compact(deterministic()); });
    upsert(*collection, 5, 3, 5);
  }

  std::size_t failures = 0;

 private:
  // Maintenance may fail; life goes on.
  template <class Work>
  void maintain(Work&& work) {
    try {
      work();
    } catch (const Error&) {
      ++failures;
    }
  }
  void upsert(Collection& collection, std::uint64_t first, std::size_t count, std::uint64_t stream) {
    expected_.perhaps = expected_.sure;
    for (std::uint64_t id = first; id < first + count; ++id) expected_.perhaps[id] = stream * 1000 + first;
    collection.upsert(Points(first, count, stream).points);
    expected_.sure = expected_.perhaps;
  }
  void erase(Collection& collection, std::uint64_t first, std::uint64_t count) {
    expected_.perhaps = expected_.sure;
    std::vector<PointId> ids;
    for (std::uint64_t id = first; id < first + count; ++id) {
      ids.push_back(PointId::number(id));
      expected_.perhaps.erase(id);
    }
    collection.erase(ids);
    expected_.sure = expected_.perhaps;
  }

  std::filesystem::path directory_;
  Expected& expected_;
};

bool holds(const Collection& collection, const std::map<std::uint64_t, std::uint64_t>& expected) {
  const auto records = collection.scroll({}, 100000, true, false);
  if (records.size() != expected.size() || collection.count() != expected.size()) return false;
  auto next = expected.begin();
  for (const Record& record : records) {
    const auto& [id, origin] = *next++;
    if (record.id.low != id) return false;
    const std::uint64_t stream = origin / 1000, first = origin % 1000;
    const auto rows = nested_vectors(id - first + 1, kDim, stream);
    if (!std::equal(record.vector.begin(), record.vector.end(), rows.end() - kDim)) return false;
  }
  return true;
}

std::uint64_t step() {
  const char* text = std::getenv("NESTOR_TEST_FAULT_STEP");
  return text == nullptr ? 23 : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("the disk fails at every operation of a collection's life in turn, and nothing acknowledged is lost") {
  std::uint64_t total = 0;
  {
    const TemporaryDirectory directory;
    Expected expected;
    fail_disk(directory.path(), 0, EIO, false);
    Life life(directory / "data", expected);
    life.run();
    total = heal_disk();
    CHECK(life.failures == 0);
  }
  REQUIRE(total > 100);
  std::size_t lives = 0, ended_early = 0, failed_maintenance = 0;
  for (const bool sticky : {false, true}) {
    for (std::uint64_t n = 1 + (sticky ? step() / 2 : 0); n <= total; n += step()) {
      INFO("operation " << n << " of " << total << (sticky ? " and all later ones fail" : " fails"));
      const TemporaryDirectory directory;
      Expected expected;
      fail_disk(directory.path(), n, sticky ? ENOSPC : EIO, sticky);
      Life life(directory / "data", expected);
      try {
        life.run();
      } catch (const Error&) {
        ++ended_early;
      }
      heal_disk();
      failed_maintenance += life.failures;
      ++lives;
      LogLines log;
      const auto database = Database::open(directory / "data", log.options());
      REQUIRE(database->damaged().empty());
      CHECK_FALSE(log.say("checksum"));
      if (!database->contains("words")) {
        CHECK(expected.sure.empty());
        continue;
      }
      const auto collection = database->collection("words");
      REQUIRE((holds(*collection, expected.sure) || holds(*collection, expected.perhaps)));
      for (const auto& info : database->snapshots("words")) {
        const auto other = Database::open(directory / "other", quiet());
        CHECK(other->recover_collection("words", database->snapshot_file("words", info.name))->count() > 0);
      }
    }
  }
  std::printf("%zu lives of %llu operations each: %zu ended by a failed write, %zu times maintenance failed\n", lives,
              static_cast<unsigned long long>(total), ended_early, failed_maintenance);
  CHECK(ended_early > 0);
  CHECK(failed_maintenance > 0);
}
