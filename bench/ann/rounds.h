#pragma once
// The measurement itself: every engine with every setting, taking turns, round after round in one process, so that
// a slow minute of the machine hits all of them alike.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "bench/ann/comparison_data.h"
#include "bench/ann/engine.h"
#include "bench/ann/ground_truth.h"

namespace nestor::bench::ann {

struct Contestant {
  std::string name;
  Engine* engine = nullptr;
  const ComparisonData* data = nullptr;
  const GroundTruth* truth = nullptr;
};

struct Entry {
  std::size_t contestant = 0;
  std::size_t setting = 0;  // position in Engine::settings(k)
};

enum class Part { tune, test };

struct RoundPlan {
  Part part = Part::test;
  std::size_t rounds = 5;
  std::size_t k = 10;
  double temperature = 0;     // above 0: answers are judged by their softmax mass instead of recall
  unsigned threads = 1;       // above 1: batches with one and with all threads are timed as well
  int pin = -1;               // core for single searches
  std::uint64_t seed = 42;    // of the order within a round
  std::size_t warm_up = 50;   // untimed queries of the tuning part before each timed pass
  double slice_seconds = 20;  // a slower pass is cut to fewer queries
  bool count_work = false;

  // What Series::recall is.
  std::string quality() const {
    if (temperature == 0) return "recall@" + std::to_string(k);
    std::ostringstream name;
    name << "mass@" << k << ", T " << temperature;
    return name.str();
  }
};

// One contestant with one setting over one part of the queries.
struct Series {
  Entry entry;
  Setting setting;
  std::size_t queries = 0;  // how many of the part: all, unless the engine is too slow
  double recall = 0;
  std::vector<std::int32_t> ids;             // [queries x k]
  std::vector<double> seconds;               // per round: all queries, one at a time
  std::vector<float> query_seconds;          // per query: its fastest round, free of what else the machine did
  std::vector<double> batch_one, batch_all;  // per round: all queries as one batch, on one and on all threads
  Work work;

  double qps(std::size_t round) const { return static_cast<double>(queries) / seconds[round]; }
  double batch_qps(std::size_t round, bool all) const {
    return static_cast<double>(queries) / (all ? batch_all : batch_one)[round];
  }
  double median_qps() const;
  // From each query's fastest round: what a quiet machine would show. Slow queries stay slow, disturbed ones do not.
  double quiet_qps() const;
  // Seconds that this share of the queries stayed below, each in its fastest round.
  double latency(double share) const;
};

double median(std::vector<double> values);

// First one untimed pass per entry: the answers, their recall, how slow it is, and the work when asked for.
// Then the rounds, each over all entries in an order of its own. told: lines for the user.
std::vector<Series> run_rounds(const std::vector<Contestant>& contestants, const std::vector<Entry>& entries,
                               const RoundPlan& plan, const std::function<void(const std::string&)>& told);

}  // namespace nestor::bench::ann
