#pragma once
// Exact scans against each other: the same queries, interleaved rounds, one thread.

#include <cstddef>
#include <iosfwd>
#include <vector>

#include "bench/scan/built_rows.h"

namespace nestor::bench::scan {

struct ScanRounds {
  std::vector<std::uint32_t> neighbours{10, 100, 1024};
  std::vector<std::size_t> batches{1, 4, 16, 64};
  std::size_t rounds = 5;
};

// Prints one table a k: microseconds a query, rows and code bytes a second, ratio to BLAS, rows ranked exactly. Returns
// false when two ways of scanning gave different answers.
bool compare_scans(const ann::ComparisonData& data, const BuiltRows& rows, const ScanRounds& rounds, std::ostream& out);

}  // namespace nestor::bench::scan
