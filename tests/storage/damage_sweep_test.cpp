// A flipped bit or a missing end in any file that a database has: it is told, or it does not matter. Never a crash,
// never a wrong row, and never a reason to keep the other collection from serving. The long form: NESTOR_TEST_FLIPS=200
// nestor_storage_tests "a flipped bit*".
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>

#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kOld = 300, kNew = 30;  // rows in sorted files and in the graph; rows in the log and the tail

// The log is only as long as it is: an end that is missing was perhaps never written. Rows of it are missing then in
// the order they came.
bool is_log(const fs::path& file) { return file.extension() == ".log"; }

struct Outcome {
  std::size_t refused = 0, told_when_read = 0, no_matter = 0;
};

// Everything the collection holds is right, and only a log may be short.
void check_served(const Collection& collection, bool may_be_short) {
  const Points old(0, kOld, 1), fresh(1000, kNew, 2);
  const auto records = collection.scroll({}, 1000, true, true);
  std::size_t old_rows = 0, new_rows = 0;
  bool right = true;
  for (const Record& record : records) {
    const bool is_old = record.id.low < 1000;
    const std::size_t i = is_old ? record.id.low : record.id.low - 1000;
    REQUIRE(i < (is_old ? kOld : kNew));
    const Point& expected = (is_old ? old : fresh).points[i];
    ++(is_old ? old_rows : new_rows);
    right = right && std::equal(record.vector.begin(), record.vector.end(), expected.vector.begin()) &&
            record.payload == expected.payload && record.value == expected.value;
    if (!is_old) right = right && i < new_rows;  // no gap
  }
  CHECK(right);
  CHECK(old_rows == kOld);
  CHECK((new_rows == kNew || may_be_short));
  CHECK(collection.count() == records.size());
  for (std::size_t i = 0; i < kOld; i += 29)
    for (const bool exact : {true, false}) {
      SearchOptions search;
      search.exact = exact;
      search.k = 1;
      CHECK(collection.search(old.vector(i), search).hits.at(0).id.low == i);
    }
}

void try_damage(const fs::path& original, const fs::path& file, const std::string& bytes, Outcome& outcome) {
  const TemporaryDirectory directory;
  fs::copy(original, directory / "data", fs::copy_options::recursive);
  std::ofstream(directory / "data" / file, std::ios::binary | std::ios::trunc) << bytes;
  std::unique_ptr<Database> database;
  try {
    database = Database::open(directory / "data", quiet());
    CHECK(database->collection("other")->count() == 1);
    if (!database->damaged().empty()) {
      CHECK(database->damaged().at(0).name == "words");
      CHECK_FALSE(database->damaged().at(0).reason.empty());
      ++outcome.refused;
      return;
    }
    check_served(*database->collection("words"), is_log(file));
    ++outcome.no_matter;
  } catch (const Error& error) {
    CHECK((error.code() == ErrorCode::data_loss || error.code() == ErrorCode::failed_precondition));
    ++outcome.told_when_read;
  }
}

std::size_t flips() {
  const char* text = std::getenv("NESTOR_TEST_FLIPS");
  return text == nullptr ? 4 : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("a flipped bit or a missing end of any file is told or does not matter, and others serve") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  const TemporaryDirectory directory;
  {
    const auto database = Database::open(directory / "data", quiet());
    database->create_collection("other", options_of())->upsert(Points(0, 1, 3).points);
    const auto collection = database->create_collection("words", options_of());
    collection->upsert(Points(0, kOld, 1).points);
    build(*collection);
  }
  {
    const auto collection = Database::open(directory / "data", quiet())->collection("words");  // makes sorted files
    const Points fresh(1000, kNew, 2);
    for (const Point& point : fresh.points) collection->upsert({&point, 1});
  }
  std::mt19937_64 random(test_seed());
  std::set<std::string> kinds;
  Outcome outcome;
  for (const auto& entry : fs::recursive_directory_iterator(directory / "data")) {
    if (!entry.is_regular_file() || entry.file_size() == 0) continue;
    const fs::path file = fs::relative(entry.path(), directory / "data");
    if (file.string().find("collections/words") != 0) continue;
    kinds.insert(file.extension().empty() ? file.filename().string().substr(0, 8) : file.extension().string());
    const std::string bytes = read_file(entry.path());
    for (std::size_t n = 0; n < flips(); ++n) {
      const std::size_t at = random() % bytes.size();
      INFO(file.string() << ", byte " << at << " of " << bytes.size());
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
      try_damage(directory / "data", file, flipped, outcome);
      try_damage(directory / "data", file, bytes.substr(0, at), outcome);
    }
  }
  std::string list;
  for (const std::string& kind : kinds) list += " " + kind;
  std::printf(
      "damaged files of the kinds%s: %zu times the collection was refused, %zu times a read told, %zu times it did "
      "not matter\n",
      list.c_str(), outcome.refused, outcome.told_when_read, outcome.no_matter);
  CHECK(kinds.size() >= 5);
  CHECK(outcome.refused > 0);
  CHECK(outcome.no_matter > 0);
}
