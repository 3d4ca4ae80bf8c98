// Files that version 1 wrote must keep loading, by every program to come. They are snapshots, which hold all formats at
// once: tar and manifest, RocksDB with rows, payloads, payload indexes and certificates, and a generation with graphs.
// Where a format gets a new version, add a file and keep the old ones:
//   NESTOR_TEST_GOLDEN=tests/storage/golden/v2-float32-l2.snapshot nestor_storage_tests "[golden-writer]"
// The name of a file says what is in it: version, scalar type, metric, and pca when the graphs are over rotated rows.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kWidth = 16;
constexpr std::uint64_t kRows = 60;

// Arithmetic that no library changes.
std::vector<float> golden_vector(std::uint64_t id) {
  std::vector<float> out;
  for (std::uint64_t j = 0; j < kWidth; ++j)
    out.push_back(static_cast<float>((id * 37 + j * 11 + id * j) % 64) / 32 - 1);
  return out;
}
PointId golden_id(std::uint64_t row) {
  return row % 5 == 4 ? PointId::uuid("00000000-0000-4000-8000-0000000000" + std::to_string(10 + row))
                      : PointId::number(row);
}
std::string golden_payload(std::uint64_t row) {
  return row % 3 == 0 ? std::string() : "{\"row\":" + std::to_string(row) + "}";
}
std::optional<std::uint32_t> golden_value(std::uint64_t row) {
  return row % 2 == 0 ? std::optional<std::uint32_t>(static_cast<std::uint32_t>(row * 10)) : std::nullopt;
}
bool is_erased(std::uint64_t row) { return row % 10 == 7; }

CollectionOptions golden_options(const fs::path& file) {
  const std::string name = file.filename().string();
  const auto says = [&](const char* word) { return name.find(word) != std::string::npos; };
  CollectionOptions options;
  options.dim = kWidth;
  options.widths = {8, 16};
  options.graphs = {8, 16};
  options.metric = says("-dot") ? Metric::dot : says("-cosine") ? Metric::cosine : Metric::l2;
  if (says("-float16")) options.scalar_type = ScalarType::float16;
  if (says("-pca")) options.rotation = Rotation::pca;
  options.exact_below = 10;
  return options;
}

fs::path golden_directory() { return fs::path(NESTOR_TEST_SOURCE_DIR) / "storage/golden"; }

void upsert_rows(Collection& collection, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t row = first; row < last; ++row) {
    const auto vector = golden_vector(row);
    const std::string payload = golden_payload(row);
    collection.upsert(std::vector{Point{golden_id(row), vector, payload, golden_value(row)}});
  }
}

}  // namespace

TEST_CASE("writes a golden file", "[.][golden-writer]") {
  const char* file = std::getenv("NESTOR_TEST_GOLDEN");
  REQUIRE(file != nullptr);
  const TemporaryDirectory directory;
  const auto database = Database::open(directory / "data", quiet());
  const auto collection = database->create_collection("golden", golden_options(file), "{\"made\":\"by hand\"}");
  upsert_rows(*collection, 0, 50);
  build(*collection);
  upsert_rows(*collection, 50, kRows);  // the tail
  for (std::uint64_t row = 0; row < kRows; ++row)
    if (is_erased(row)) collection->erase(std::vector{golden_id(row)});
  fs::copy_file(database->snapshot_file("golden", database->create_snapshot("golden").name), file);
}

TEST_CASE("files of format version 1 load and answer as they did when they were written") {
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(golden_directory())) {
    INFO(entry.path().filename().string());
    ++files;
    const TemporaryDirectory directory;
    LogLines log;
    const auto database = Database::open(directory / "data", log.options());
    const auto collection = database->recover_collection("golden", entry.path());
    CHECK_FALSE(log.say("exact search serves"));
    const CollectionOptions expected = golden_options(entry.path());
    CHECK(collection->options().dim == kWidth);
    CHECK(collection->options().widths == expected.widths);
    CHECK(collection->options().metric == expected.metric);
    CHECK(collection->options().scalar_type == expected.scalar_type);
    CHECK(collection->options().rotation == expected.rotation);
    CHECK(database->attributes("golden") == "{\"made\":\"by hand\"}");
    const CollectionInfo info = collection->info();
    CHECK(info.tail_rows == 9);
    CHECK(info.generation_sequence == 50);
    CHECK(info.points == 54);
    for (std::uint64_t row = 0; row < kRows; ++row) {
      const auto record = collection->get(golden_id(row), true, true);
      if (is_erased(row)) {
        CHECK_FALSE(record);
        continue;
      }
      INFO("row " << row);
      REQUIRE(record);
      if (expected.metric != Metric::cosine) CHECK(record->vector == golden_vector(row));
      CHECK(record->payload == golden_payload(row));
      CHECK(record->value == golden_value(row));
      CHECK(record->version == row + 1);
      SearchOptions walk, exact;
      walk.k = exact.k = 5;
      walk.candidates_to_explore = 60;
      exact.exact = true;
      const auto hits = collection->search(golden_vector(row), walk).hits;
      const auto truth = collection->search(golden_vector(row), exact).hits;
      REQUIRE(hits.size() == 5);
      REQUIRE(truth.size() == 5);
      for (std::size_t i = 0; i < 5; ++i) CHECK(hits[i].distance == truth[i].distance);
      if (expected.metric == Metric::l2) CHECK(hits[0].distance == 0);
    }
    collection->upsert(std::vector{Point{PointId::number(1000), golden_vector(1000), {}, {}}});
    collection->fold(deterministic());
    CHECK(collection->info().tail_rows == 0);
    CHECK(collection->count() == 55);
  }
  CHECK(files >= 4);
}
