// Killed at any moment: an outside record says what each point was meant to become and what was acknowledged, in the
// manner of RocksDB's expected-state test. The long form is NESTOR_TEST_KILLS=200 nestor_storage_tests "killed again*".
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include "storage/file_io.h"
#include "tests/storage/child_process.h"
#include "tests/storage/database_fixtures.h"
#include "tests/storage/disk_faults.h"


using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

constexpr std::uint64_t kIds = 300;
constexpr std::uint64_t kWriters = 2;
constexpr std::uint64_t kAbsent = 1;  // flag of a version that is an erase

// Versions of one point: even numbers that grow; with kAbsent set, the point is to be gone.
struct Expectation {
  std::atomic<std::uint64_t> pending{kAbsent};
  std::atomic<std::uint64_t> acknowledged{kAbsent};
};

// Shared with the child, and still there when it is killed.
struct ExpectedState {
  std::atomic<std::uint64_t> acknowledgements{0};
  Expectation points[kIds];
};

ExpectedState& map_expectations(const std::filesystem::path& file) {
  const bool fresh = !std::filesystem::exists(file);
  const FileDescriptor fd = open_file(file, O_RDWR | O_CREAT);
  REQUIRE(::ftruncate(fd.get(), sizeof(ExpectedState)) == 0);
  void* mapped = ::mmap(nullptr, sizeof(ExpectedState), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  REQUIRE(mapped != MAP_FAILED);
  return fresh ? *new (mapped) ExpectedState : *static_cast<ExpectedState*>(mapped);
}

std::vector<float> vector_of_version(std::uint64_t id, std::uint64_t version) {
  return nested_vectors(1, kDim, version * 1'000'003 + id);
}
std::string payload_of_version(std::uint64_t version) { return "{\"version\":" + std::to_string(version) + "}"; }

CollectionOptions crash_options() {
  CollectionOptions options = options_of();
  options.exact_below = 50;
  return options;
}

// One writer's share of the ids: single points and batches, upserts, erases and payload changes in turn.
void write_forever(Collection& collection, ExpectedState& state, std::uint64_t writer, std::uint64_t seed) {
  std::mt19937_64 random(seed * kWriters + writer);
  for (;;) {
    std::set<std::uint64_t> chosen;
    for (std::uint64_t n = 1 + random() % 8; n > 0; --n) chosen.insert(random() % (kIds / kWriters) * kWriters + writer);
    const bool erase = random() % 4 == 0;
    std::vector<std::vector<float>> vectors;
    std::vector<std::string> payloads;
    std::vector<std::uint64_t> versions;
    for (const std::uint64_t id : chosen) {
      const std::uint64_t version = ((state.points[id].pending | kAbsent) + 1) | (erase ? kAbsent : 0);
      state.points[id].pending = version;
      versions.push_back(version);
      vectors.push_back(vector_of_version(id, version));
      payloads.push_back(payload_of_version(version));
    }
    std::vector<Point> points;
    std::vector<PointId> ids;
    for (const std::uint64_t id : chosen) {
      ids.push_back(PointId::number(id));
      points.push_back({ids.back(), vectors[ids.size() - 1], payloads[ids.size() - 1], {}});
    }
    if (erase)
      collection.erase(ids);
    else
      collection.upsert(points);
    std::size_t i = 0;
    for (const std::uint64_t id : chosen) state.points[id].acknowledged = versions[i++];
    ++state.acknowledgements;
  }
}

// Publishes, compacts and snapshots without a pause, so that most moments are inside one of them.
void maintain_forever(Database& database, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto collection = database.collection("words");
  for (;;) {
    switch (random() % 6) {
      case 0: collection->build(); break;
      case 1: database.delete_snapshot("words", database.create_snapshot("words").name); break;
      case 2:
      case 3: collection->compact(); break;
      default: collection->fold(); break;
    }
  }
}

// Named places to die at, besides any moment.
const std::vector<KillPoint>& kill_points() {
  static const std::vector<KillPoint> points = {
      {".nestor", true, 2},  {".nestor", false, 2},   // a generation's file gets its name
      {"MANIFEST", true, 2}, {"MANIFEST", false, 2},  // ... and is put in force
      {"CURRENT", true, 1},  {"CURRENT", false, 1},   // a compaction begins
      {"CURRENT", true, 2},  {"CURRENT", false, 2},   // ... and takes over
      {"CURRENT", true, 6},  {"CURRENT", false, 6},   // another one, later
      {".snapshot", true, 1}, {".snapshot", false, 1},
  };
  return points;
}

// What nothing here may throw ends the child, and says so.
void or_die(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "the child failed: %s\n", error.what());
    std::_Exit(98);
  }
}

const ChildProgram kStress("stress until killed", [](const ChildContext& context) -> int {
  // number: seed * 100 + which kill point (0: none).
  const std::uint64_t seed = context.number / 100, point = context.number % 100;
  record_syncs(context.directory / "journal");
  ExpectedState& state = map_expectations(context.directory / "expected");
  const auto database = Database::open(context.directory / "data", quiet());
  const auto collection = database->collection("words");
  if (point > 0) kill_at(kill_points().at(point - 1));
  context.send(1);
  std::vector<std::thread> threads;
  for (std::uint64_t writer = 0; writer < kWriters; ++writer)
    threads.emplace_back([&, writer] { or_die([&] { write_forever(*collection, state, writer, seed); }); });
  or_die([&] { maintain_forever(*database, seed); });
  return 0;
});

// The stored point is what was acknowledged, or what was under way; the record then says which.
std::size_t check_point(const Collection& collection, std::uint64_t id, Expectation& expected) {
  const std::uint64_t acknowledged = expected.acknowledged, pending = expected.pending;
  const auto record = collection.get(PointId::number(id), true, true);
  INFO("point " << id << ", acknowledged version " << acknowledged << ", under way " << pending);
  std::size_t not_walked_to = 0;
  std::uint64_t found = acknowledged;
  if (!record) {
    REQUIRE(((acknowledged & kAbsent) || (pending & kAbsent)));
    found = (acknowledged & kAbsent) ? acknowledged : pending;
    for (const std::uint64_t version : {acknowledged, pending}) {
      const auto hits = collection.search(vector_of_version(id, version), {}).hits;
      const bool haunted = std::any_of(hits.begin(), hits.end(), [&](const Hit& hit) { return hit.id.low == id; });
      REQUIRE_FALSE(haunted);
    }
  } else {
    const auto is = [&](std::uint64_t version) {
      return (version & kAbsent) == 0 && record->vector == vector_of_version(id, version) &&
             record->payload == payload_of_version(version);
    };
    REQUIRE((is(acknowledged) || is(pending)));
    found = is(acknowledged) ? acknowledged : pending;
    SearchOptions search;
    search.k = 1;
    search.exact = true;
    REQUIRE(collection.search(record->vector, search).hits.at(0).id.low == id);
    search.exact = false;
    not_walked_to = collection.search(record->vector, search).hits.at(0).id.low != id;
  }
  expected.acknowledged = found;
  expected.pending = found;
  return not_walked_to;
}

std::size_t wanted_kills() {
  const char* text = std::getenv("NESTOR_TEST_KILLS");
  return text == nullptr ? 10 : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("killed again and again inside writes, publishing, compaction and snapshots, nothing acknowledged is lost") {
  const std::uint64_t seed = test_seed();
  INFO("NESTOR_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  const TemporaryDirectory directory;
  ExpectedState& state = map_expectations(directory / "expected");
  record_syncs(directory / "journal");  // opening after a crash writes too
  Database::open(directory / "data", quiet())->create_collection("words", crash_options());
  const std::size_t kills = wanted_kills();
  std::size_t at_points = 0, power_cuts = 0, not_walked_to = 0, alive = 0;
  for (std::size_t kill = 0; kill < kills; ++kill) {
    // Every other kill at a named point, in turn; the others after a random number of acknowledgements.
    const std::uint64_t point = kill % 2 == 0 ? 1 + kill / 2 % kill_points().size() : 0;
    const std::uint64_t enough = state.acknowledgements + 5 + random() % 200;
    INFO("kill " << kill << ", point " << point);
    {
      ChildProcess child(kStress, directory.path(), (seed + kill) % 1'000'000 * 100 + point);
      REQUIRE(child.receive() == 1);
      if (point > 0) {
        CHECK(child.wait() == -SIGKILL);
        ++at_points;
      } else {
        while (state.acknowledgements < enough && child.is_running()) std::this_thread::yield();
        REQUIRE(state.acknowledgements >= enough);  // otherwise it ended by itself
        child.kill_now();
      }
    }
    if (random() % 2 == 0) {
      lose_unsynced(directory / "data", directory / "journal");
      ++power_cuts;
    }
    LogLines log;
    const auto database = Database::open(directory / "data", log.options());
    REQUIRE(database->damaged().empty());
    CHECK_FALSE(log.say("checksum"));  // no half-written generation is ever looked at
    const auto collection = database->collection("words");
    std::size_t live = 0;
    for (std::uint64_t id = 0; id < kIds; ++id) {
      not_walked_to += check_point(*collection, id, state.points[id]);
      live += (state.points[id].acknowledged & kAbsent) == 0;
    }
    alive += live;
    REQUIRE(collection->count() == live);  // no phantoms
    REQUIRE(collection->scroll({}, 2 * kIds, false, false).size() == live);
  }
  record_syncs({});
  std::printf("survived %zu kills (%zu at named points, %zu with unsynced data lost), %llu operations acknowledged, seed %llu; "
              "%zu of %zu points were not their own nearest neighbour by the default search\n",
              kills, at_points, power_cuts, static_cast<unsigned long long>(state.acknowledgements),
              static_cast<unsigned long long>(seed), not_walked_to, alive);
  CHECK(static_cast<double>(not_walked_to) <= 0.002 * static_cast<double>(alive));
}
