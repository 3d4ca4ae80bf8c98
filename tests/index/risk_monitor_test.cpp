#include "index/risk_monitor.h"

#include <random>

#include "index/error.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;

namespace {

// A loss of 0.2 with probability 5 risk, else none.
double draw(std::mt19937_64& rng, double risk) {
  return std::uniform_real_distribution<double>()(rng) < 5 * risk ? 0.2 : 0;
}

}  // namespace

TEST_CASE("the monitor seldom cries wolf, looked at after each of 2,000 queries at the very edge of the promise") {
  std::mt19937_64 rng(nestor::tests::test_seed());
  int alarms = 0;
  for (int trial = 0; trial < 300; ++trial) {
    RiskMonitor monitor(0.05, 0.05);
    for (int q = 0; q < 2000 && !monitor.alarmed(); ++q) monitor.observe(draw(rng, 0.05));
    alarms += monitor.alarmed();
  }
  CHECK(alarms <= 15 + 8);  // 5 % and two standard errors
}

TEST_CASE("the monitor notices a risk that doubled, within some hundred queries") {
  std::mt19937_64 rng(nestor::tests::test_seed());
  int seen = 0;
  double needed = 0;
  for (int trial = 0; trial < 100; ++trial) {
    RiskMonitor monitor(0.05);
    while (!monitor.alarmed() && monitor.observed() < 2000) monitor.observe(draw(rng, 0.1));
    seen += monitor.alarmed();
    needed += static_cast<double>(monitor.observed()) / 100;
  }
  INFO("mean " << needed);
  CHECK(seen == 100);
  CHECK(needed < 500);
}

TEST_CASE("an alarm stays, and what was observed can be read") {
  RiskMonitor monitor(0.1);
  CHECK(monitor.wealth() == Approx(1));
  while (!monitor.observe(1)) {
  }
  const auto count = monitor.observed();
  CHECK(count < 10);
  CHECK(monitor.mean_loss() == 1);
  for (int i = 0; i < 1000; ++i) monitor.observe(0);
  CHECK(monitor.alarmed());
  CHECK_THROWS_AS(monitor.observe(1.1), Error);
  CHECK_THROWS_AS(RiskMonitor(0), Error);
  CHECK_THROWS_AS(RiskMonitor(0.1, 1), Error);
}
