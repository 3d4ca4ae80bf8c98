#pragma once
// Exact nearest rows of a generation or a tail for a batch of queries: by their codes where codes bound the distances
// (code_scan.h), else row by row. With the certain margin both give the same answers.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "index/ladder.h"
#include "index/scan_query.h"
#include "index/tail.h"

namespace nestor::index {

struct ScanRequest {
  const Generation* generation = nullptr;
  Metric metric = Metric::l2;
  std::size_t dim = 0;
  std::span<const PreparedQuery* const> queries;  // of one ranking width
  std::uint32_t k = 10;
  bool explain = false;
  ScanMargin margin = ScanMargin::certain;
};

// True when rows of this ranking are scanned by their codes.
bool scans_codes(const ScanRequest& request);

// Over `rows` of the generation, ascending. scan_rows never uses codes: the slow twin.
std::vector<RowAnswer> scan_rows(const ScanRequest& request, std::span<const std::uint32_t> rows);
std::vector<RowAnswer> scan_generation(const ScanRequest& request, std::span<const std::uint32_t> rows);

// Over rows [0, upto) of the tail that `allowed` lets pass: per query (distance, position), nearest first, at most k.
using TailHits = std::vector<std::pair<float, std::uint32_t>>;
std::vector<TailHits> scan_tail(const ScanRequest& request, const Tail& tail, std::size_t upto,
                                const RowFilter& allowed);

}  // namespace nestor::index
