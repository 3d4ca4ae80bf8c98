#include "server/worker_pool.h"

#include <atomic>
#include <future>

#include "tests/support/catch.h"

namespace nestor::server {

TEST_CASE("a full queue refuses and accepted jobs are finished before the pool ends") {
  std::atomic<int> done{0};
  std::promise<void> gate, started;
  {
    WorkerPool pool(1, 2);
    REQUIRE(pool.submit([&] {
      started.set_value();
      gate.get_future().wait();
      ++done;
    }));
    started.get_future().wait();  // the worker is busy, so what follows stays queued
    CHECK(pool.submit([&] { ++done; }));
    CHECK(pool.submit([&] { ++done; }));
    CHECK_FALSE(pool.submit([&] { ++done; }));
    gate.set_value();
  }
  CHECK(done == 3);
}

}  // namespace nestor::server
