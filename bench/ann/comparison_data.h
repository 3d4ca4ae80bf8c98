#pragma once
// The rows and queries that a comparison runs on, all of them in memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bench/ann/engine.h"
#include "index/types.h"

namespace nestor::bench::ann {

struct DataRequest {
  std::string set;                   // see data_set_forms()
  std::filesystem::path shared;      // holds data/
  std::optional<Distance> distance;  // none: what the set is meant for
  std::size_t max_rows = 0;          // use the first so many rows; 0: all
  std::size_t tune_queries = 500;
  std::size_t test_queries = 1500;
  std::uint64_t seed = 42;  // of synthetic and generated rows, and of the order of the queries
  unsigned threads = 1;
};

// Queries are taken evenly over the file, shuffled once, and split: the first `tune` choose parameters, the others
// are reported. Sets compared by angle are normalised here, so that every engine sees the same unit vectors.
struct ComparisonData {
  std::string name;  // also the folder of its caches
  Distance distance = Distance::euclidean;
  bool nested = true;           // prefixes are embeddings of their own, or nobody knows better
  bool close_together = false;  // dot products in float32 do not tell neighbours apart, or it is not known
  bool exact_in_float16 = false;
  std::size_t rows = 0, dim = 0;
  std::vector<float> base;  // [rows x dim]
  std::size_t tune = 0, test = 0;
  std::vector<float> queries;  // [tune + test x dim]
  // Exact neighbours that came with the set, for exactly these queries; depth 0: none.
  std::size_t shipped_depth = 0;
  std::vector<std::int32_t> shipped;  // [tune + test x shipped_depth]

  Rows base_rows() const { return {base.data(), rows, dim}; }
  Rows all_queries() const { return {queries.data(), tune + test, dim}; }
  Rows tune_queries() const { return {queries.data(), tune, dim}; }
  Rows test_queries() const { return {queries.data() + tune * dim, test, dim}; }
};

index::Metric metric_of(Distance distance);
// "synthetic:ROWS:DIM[:CENTRES], ...": the names of sets, for people.
const char* data_set_forms();

// Throws std::runtime_error or index::Error naming what is missing.
ComparisonData load_data(const DataRequest& request);

}  // namespace nestor::bench::ann
