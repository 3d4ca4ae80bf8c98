#pragma once
// Tuning of a collection: from a sample of queries and a wanted recall or latency to a default depth and a graph width.
//
// The queries are shuffled once and split in two. On A every candidate policy is tried, and the cheapest one is taken
// whose recall less one standard error is enough (or the deepest one within the latency). C decides nothing: its
// figures say what the choice is worth. Nothing is certified; for a promise see calibrator.h.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/calibrator.h"
#include "index/tuned_policy.h"

namespace nestor::index {

struct TuningRequest {
  std::span<const float> queries;  // [count x dim]; empty: `rows` rows of the collection, searched without themselves
  std::size_t count = 0;
  std::size_t rows = 1000;
  std::uint32_t k = 10;
  double wanted_recall = 0.99;
  std::optional<double> max_latency_ms;  // instead: 95 % of the queries, each on one thread
  std::uint64_t seed = 42;
  unsigned threads = 0;  // 0: all cores
  std::function<void(const CalibrationProgress&)> progress;
};

// How good candidates by a prefix alone can be: no graph of this width finds more.
struct WidthCeiling {
  std::uint32_t width = 0;
  double recall = 0;  // share of the k nearest among the `shortlist` nearest by this prefix
};

struct TuningReport {
  TunedPolicy chosen;
  bool reached = false;        // the wanted recall (or latency) is met on A
  PolicyFigures on_a, on_c;    // of the choice
  double cost_on_c = 0;        // bytes, and what comparing costs beside, see TrialRun
  PolicyFigures default_on_c;  // what searches did before
  double default_cost_on_c = 0;
  std::uint32_t graph_width = 0;     // walked now
  WalkCodes walk_codes = WalkCodes::whole;  // compared now
  std::uint32_t proposed_width = 0;  // equal: there is nothing to gain
  std::uint32_t shortlist = 0;
  std::vector<WidthCeiling> ceilings;  // ascending; empty where prefixes are not probed
  std::vector<std::string> reasons;    // one sentence each
  std::size_t on_a_queries = 0, on_c_queries = 0, tried = 0;
};

inline constexpr std::size_t kFewestTuningQueries = 50;

// Measures and chooses; nothing is stored (Collection::use_tuned_policy does that). Thread-safe. Time: an exact scan
// for the queries, some 300 searches for each of A, and a scan a width for at most 200 of them. Throws Error
// invalid_argument: too few queries, a number out of range; failed_precondition: no graph.
TuningReport tune(const Collection& collection, const TuningRequest& request);

}  // namespace nestor::index
