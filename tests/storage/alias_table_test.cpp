#include "storage/alias_table.h"

#include <fstream>

#include "tests/storage/database_fixtures.h"
#include "tests/storage/expect_error.h"
#include "tests/support/catch.h"

using namespace nestor::storage;
using namespace nestor::tests;

TEST_CASE("aliases survive being written and read") {
  const Aliases aliases{{"a", "first"}, {"b b", "zweite \xC3\xA4"}};
  CHECK(decode_aliases(encode_aliases(aliases)) == aliases);
  CHECK(decode_aliases(encode_aliases({})).empty());
  CHECK(encode_aliases({}) == "nestor aliases 1 2d06800538d394c2\n");  // version 1: must stay readable
}

TEST_CASE("a damaged or newer file of aliases is told apart") {
  std::string bytes = encode_aliases({{"a", "first"}});
  error_of(ErrorCode::failed_precondition, [&] { decode_aliases("nestor aliases 2 something\n"); });
  error_of(ErrorCode::data_loss, [&] { decode_aliases("other"); });
  for (std::size_t i = 17; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    error_of(ErrorCode::data_loss, [&] { decode_aliases(flipped); });
  }
}

TEST_CASE("a database keeps its aliases, and serves without them when their file is damaged") {
  TemporaryDirectory directory;
  auto database = Database::open(directory.path(), quiet());
  auto collection = database->create_collection("c", options_of());
  const AliasChange create{AliasChange::Kind::create, "now", "c"};
  database->change_aliases({&create, 1});
  CHECK(database->collection("now") == collection);
  database.reset();
  collection.reset();
  database = Database::open(directory.path(), quiet());
  CHECK(database->collection("now")->name() == "c");
  database.reset();
  std::ofstream(directory.path() / "aliases", std::ios::app) << "x";
  database = Database::open(directory.path(), quiet());
  CHECK(database->aliases().empty());
  CHECK(database->contains("c"));
}
