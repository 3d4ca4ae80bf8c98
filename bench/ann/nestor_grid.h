#pragma once
// The policies of Nestor that the benchmark tries: ladders of shortlists, ended by a distance gap or by the pool.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/ann/engine.h"
#include "index/options.h"
#include "index/search_types.h"

namespace nestor::bench::ann {

struct NestorGrid {
  std::vector<std::string>
      ladders;                     // "256:50,768:20" = walk width : shortlist, re-score width : shortlist; empty: many
  std::vector<double> gaps;        // empty: many
  std::vector<std::size_t> pools;  // candidates the walk keeps under a gap; empty: one that fits k
};

struct NestorPolicy {
  Setting setting;
  index::SearchOptions options;  // k included
};

// The untouched default first, a point of its own; then default ladders with other gaps; then explicit ladders.
// Throws std::runtime_error on a ladder that cannot be read.
std::vector<NestorPolicy> nestor_policies(const NestorGrid& grid, const index::CollectionOptions& collection,
                                          std::size_t k);

}  // namespace nestor::bench::ann
