#pragma once
// Walk or scan: the cheaper of the two for a block of queries, from what walks were counted to do on this generation
// (walk_effort.h) and from what a row costs either way.
//
// Costs are nanoseconds on the machine of docs/performance.md ("Walk or scan"), measured by nestor_bench_scan
// --planner. What counts is their ratios, which are those of memory and of arithmetic on bytes; near the border both
// ways cost the same, so that a constant that is off by a third costs at most a third.

#include <cstddef>
#include <cstdint>

#include "index/ladder.h"

namespace nestor::index {

struct PlannedQueries {
  std::size_t count = 1;    // queries that would share a scan
  std::size_t allowed = 0;  // rows that may be returned
  std::uint32_t k = 10;
  bool filtered = false;
  bool by_codes = true;  // a scan compares codes, not rows
};

// Of one query. O(1).
double walk_cost(const Generation& generation, const LadderPlan& plan, std::uint32_t k);
double scan_cost(const Generation& generation, std::uint32_t width, const PlannedQueries& queries);

// Fits a walk to the filter, and sets plan.exact where a scan is the cheaper way. A walk passes many rows to find an
// allowed one, and the gap would end it at the k-th of all rows: it goes on until its pool should hold one and a half
// shortlists of allowed rows. What a caller has set himself stays, and without a filter he gets the walk he asked for.
// A search that says nothing about its depth scans as well where that takes less than half a millisecond, or where the
// build found no walk that finds enough.
void plan_walk_or_scan(LadderPlan& plan, const Generation& generation, const SearchOptions& search,
                       const PlannedQueries& queries);

}  // namespace nestor::index
