#pragma once
// The named ways of searching that the benchmarks compare.

#include <cstdint>
#include <string>
#include <vector>

#include "index/options.h"
#include "index/search_types.h"

namespace nestor::bench {

struct Policy {
  std::string name;              // "128:50 > 256:20, gap 0.20": walk width : shortlist > re-score width : shortlist
  index::SearchOptions options;  // k is set by whoever runs it
};

// Every row, ranked by its first `width` coordinates.
Policy exact_policy(std::uint32_t width);

// What a user gets who sets nothing.
Policy default_policy();

// Which widths a collection can walk, re-score and rank at.
struct Rungs {
  std::vector<std::uint32_t> graphs;  // ascending
  std::uint32_t coded = 0;            // the widest that has codes: dim, or the widest graph in a rotated collection
  std::uint32_t dim = 0;
};

Rungs rungs_of(const index::CollectionOptions& options);

// Explicit ladders for k neighbours: each graph as the walk, several shortlists, ended by the pool (ef) or by
// a distance gap; a walk narrower than the codes is re-scored with all of them. The last shortlist is ranked exactly.
std::vector<Policy> ladder_policies(const Rungs& rungs, std::uint32_t k);

// A few ladders for lookups, where k may be as large as the pool of a usual search.
std::vector<Policy> lookup_policies(const Rungs& rungs, std::uint32_t k);

// One graph, pool sizes from small to large, no gap, the whole pool ranked exactly: what a plain HNSW
// search over that graph finds.
std::vector<Policy> walk_sweep(std::uint32_t width, std::uint32_t k);

}  // namespace nestor::bench
