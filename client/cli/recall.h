#pragma once
// recall@k against a file of exact neighbours.

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/query_rows.h"
#include "index/collection.h"

namespace nestor::client {

// The first k true neighbours of each query, as row numbers (which are the ids `nestor build` gives).
class GroundTruth {
 public:
  // Throws Error invalid_argument when the file has not one row per row of the query file, or fewer
  // than k columns.
  GroundTruth(const std::string& path, const QueryRows& queries, std::uint32_t k);

  // Mean share of the true neighbours found. A returned point that is not in the file counts when it
  // lies as far away as the k-th true neighbour (a tie, up to rounding).
  double recall(const std::vector<index::QueryResult>& results, const index::Collection& collection) const;

 private:
  std::uint32_t found(std::size_t query, const index::QueryResult& result, const index::Collection& collection) const;

  std::uint32_t k_;
  std::vector<std::vector<std::uint64_t>> rows_;  // per query, nearest first
  const QueryRows& queries_;
};

}  // namespace nestor::client
