// Many collections in one process: what they take of its open files, and what happens when there are not enough.
#include "storage/file_limit.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/storage/child_process.h"
#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

void limit_files(rlim_t soft, rlim_t hard) {
  const rlimit limit{soft, hard};
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Makes collections until one is refused; sends how many there are then.
const ChildProgram kFill("fill with collections", [](const ChildContext& context) -> int {
  limit_files(20, context.number);
  const auto database = Database::open(context.directory, quiet());
  for (std::uint64_t made = 0;; ++made) {
    try {
      database->create_collection("c" + std::to_string(made), options_of())->upsert(Points(0, 3, 1).points);
    } catch (const Error& error) {
      context.send(made);
      return error.code() == ErrorCode::resource_exhausted && mentions(error.what(), "ulimit -n") ? 0 : 1;
    }
  }
});

// Sends how many collections are served and how many wait, then how many are served when half of the former are gone
// and every one that waited has been asked for.
const ChildProgram kOpenUnder("open collections under a limit", [](const ChildContext& context) {
  limit_files(20, context.number);
  const auto database = Database::open(context.directory, quiet());
  const std::vector<std::string> served = database->collection_names();
  const std::vector<WaitingCollection> waiting = database->waiting();
  context.send(served.size());
  context.send(waiting.size());
  std::uint64_t unavailable = 0, opened = 0;
  for (const WaitingCollection& each : waiting) {
    try {
      database->collection(each.name);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unavailable) ++unavailable;
    }
  }
  context.send(unavailable);
  for (std::size_t i = 0; i < served.size(); ++i) database->delete_collection(served[i]);
  for (std::size_t i = 0; i < std::min(served.size(), waiting.size()); ++i)
    if (database->collection(waiting[i].name)->count() == 3) ++opened;
  context.send(opened);
  return 0;
});

}  // namespace

TEST_CASE("what a limit of open files lets be made can all be opened again under it, and one more is refused") {
  const TemporaryDirectory directory;
  ChildProcess filling(kFill, directory.path(), 200);
  const auto made = filling.receive();
  REQUIRE(made);
  CHECK(filling.wait() == 0);
  CHECK(*made == FileBudget(200).collections());
  ChildProcess again(kOpenUnder, directory.path(), 200);
  CHECK(again.receive() == made);
  CHECK(again.receive() == 0);
  again.wait();
}

TEST_CASE("with too few open files what fits is served, and the rest waits until there is room") {
  const TemporaryDirectory directory;
  ChildProcess filling(kFill, directory.path(), 300);
  const auto made = filling.receive();
  REQUIRE(made);
  CHECK(filling.wait() == 0);
  ChildProcess narrow(kOpenUnder, directory.path(), 120);
  const auto served = narrow.receive(), waiting = narrow.receive(), unavailable = narrow.receive(),
             opened = narrow.receive();
  REQUIRE(opened);
  CHECK(narrow.wait() == 0);
  CHECK(*served > 0);
  CHECK(*waiting > 0);
  CHECK(*served + *waiting == *made);
  CHECK(unavailable == waiting);
  CHECK(*opened == std::min(*served, *waiting));
}

TEST_CASE("a collection of few points takes little of the disk while it is open") {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path(), quiet());
  for (int i = 0; i < 3; ++i)
    database->create_collection("c" + std::to_string(i), options_of())->upsert(Points(0, 100, 1).points);
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path())) {
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  CHECK(bytes < 3 * 300'000);
}

TEST_CASE("many collections are opened side by side, and one that is damaged keeps none of the others down") {
  const TemporaryDirectory directory;
  {
    const auto database = Database::open(directory.path(), quiet());
    for (int i = 0; i < 40; ++i)
      database->create_collection("c" + std::to_string(i), options_of())->upsert(Points(0, 10, 1).points);
  }
  std::filesystem::remove(rocks_of(directory.path(), "c7") / "CURRENT");
  LogLines log;
  const auto database = Database::open(directory.path(), log.options());
  CHECK(database->collection_names().size() == 39);
  CHECK(log.say("collection c7 is damaged and not served"));
  for (const std::string& name : database->collection_names()) CHECK(database->collection(name)->count() == 10);
}
