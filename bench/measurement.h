#pragma once
// One way of searching, measured over a set of queries: recall, latency and work.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/data_set.h"
#include "bench/policies.h"
#include "index/collection.h"

namespace nestor::bench {

struct Measurement {
  double recall = 0;            // mean over the queries, of the k asked for
  double microseconds = 0;      // median of single queries on one thread
  double evaluations = 0;       // distances computed per query, over whatever width
  double walk_evaluations = 0;  // those of the walk alone
  double coordinates = 0;       // multiply-adds per query; rotating is among them
};

struct Workload {
  const index::Collection& collection;
  const Matrix& keys;  // the rows as the user gave them: a second opinion on every distance
  const Matrix& queries;
  const GroundTruth& truth;
  unsigned threads = 0;           // of the untimed pass; 0: all cores
  std::size_t timed_queries = 0;  // the first so many are timed; 0: all
};

// Share of the k exact neighbours found by `hits`. A row that is not among them counts when it is as near
// as the k-th: distance <= d_k * (1 + 1e-6), in double over the given rows; no more than k count.
double recall_of(const Workload& workload, std::size_t query, const std::vector<index::Hit>& hits, std::uint32_t k);

// One pass over all queries for recall and work, then one untimed and one timed pass, one query at a time.
Measurement measure(const Workload& workload, const Policy& policy, std::uint32_t k);

// Walk evaluations that a sweep (smallest pool first) needs for `recall`, between its points straight in
// log(1 - recall); nullopt: the sweep does not reach it.
std::optional<double> walk_evaluations_at(const std::vector<Measurement>& sweep, double recall);

}  // namespace nestor::bench
