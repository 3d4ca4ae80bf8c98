#pragma once
// One set, built with defaults through the embedded door and asked by the default search and by walks.

#include <cstdint>
#include <string>
#include <vector>

#include "bench/kinds/kind_sets.h"
#include "index/collection.h"
#include "tests/support/exact_answers.h"

namespace nestor::bench::kinds {

struct RunRequest {
  index::Metric metric = index::Metric::l2;
  index::Rotation rotation = index::Rotation::none;
  std::uint32_t exact_below = 0;     // 0: the default of a collection
  std::vector<std::uint32_t> walks;  // candidates to explore; searches that must walk where there is a graph
  double wanted_recall = 0.99;
  unsigned threads = 0;  // for building; 0: all cores
};

// How one way of searching did at one k.
struct WayFigures {
  double recall = 0;        // mean over the queries
  double microseconds = 0;  // median of single queries on one thread, the second time they are asked
  double scanned = 0;       // share of the queries that were answered without a walk
};
struct Way {
  std::string name;        // "default", "ef 100"
  WayFigures at10, at100;  // the latter with k = 100, or all rows where there are fewer
};

struct KindFigures {
  std::vector<Way> ways;  // the default first
  index::BuildReport build;
  index::MemoryReport memory;
};

// In a temporary directory, which is removed. Throws index::Error.
KindFigures run_kind(const LoadedSet& set, const tests::ExactAnswers& truth, const RunRequest& request);

}  // namespace nestor::bench::kinds
