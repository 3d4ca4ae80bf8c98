#pragma once
// What walks and scans cost under filters, large k and batches, and what the planner chooses between them.

#include <cstddef>
#include <iosfwd>
#include <vector>

#include "bench/ann/comparison_data.h"

namespace nestor::bench::scan {

struct PlannerRounds {
  std::vector<std::uint32_t> neighbours{10, 100, 1024};
  std::vector<double> shares{1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.002};
  std::vector<std::size_t> batches{1, 64};
  std::size_t rounds = 3;
  unsigned threads = 0;  // for building
  int pin = -1;          // core to measure on
};

// One line for each k, share of allowed rows and batch: microseconds a query and recall of the walk, the scan and what
// the planner did; then the same under filters that keep only rows far from the query.
void measure_planner(const ann::ComparisonData& data, const PlannerRounds& rounds, std::ostream& out);

}  // namespace nestor::bench::scan
