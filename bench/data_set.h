#pragma once
// The files of one real data set, and their loading into memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/arguments.h"
#include "index/options.h"

namespace nestor::bench {

struct DataSetFiles {
  std::string name;  // "dickens", "mnist", "sample", "debian-lsa", "cranfield"
  std::filesystem::path keys, queries, neighbours, distances;  // distances: squared L2; the last two may be empty
  // kNN-LM sets alone:
  std::filesystem::path values, targets, lm_logprob;
  std::vector<std::uint32_t> widths, graphs;  // of the collection built from it
  std::vector<index::Rotation> rotations;     // measured in this order
  index::Metric metric = index::Metric::l2;   // ... and what it compares by
  std::size_t query_step = 1;                 // recall is measured on every query_step-th query
};

// By the name of its folder in `shared`/data (knnlm-dickens, mnist-784, debian-lsa, cranfield), or "sample", which is
// in `examples`. nullopt: it is not there.
std::optional<DataSetFiles> find_data_set(const std::filesystem::path& shared, const std::filesystem::path& examples,
                                          const std::string& folder);

// The sets with shipped squared distances: dickens and mnist where `shared` holds them; the sample in place of a
// missing dickens.
std::vector<DataSetFiles> find_data_sets(const Arguments& arguments);

struct Matrix {
  std::size_t rows = 0;
  std::uint32_t dim = 0;
  std::vector<float> values;  // [rows x dim]
  bool exact_in_float16 = false;

  std::span<const float> row(std::size_t i) const { return {values.data() + i * dim, dim}; }
};

// Every step-th row, at most `limit` of them (0: all). Throws index::Error.
Matrix load_matrix(const std::filesystem::path& file, std::size_t step = 1, std::size_t limit = 0);
// At most `wanted` rows, taken evenly over the file.
Matrix load_evenly(const std::filesystem::path& file, std::size_t wanted);
// Leaves out rows of zeros, which cosine cannot compare (cranfield has an empty text). Says so on stderr where there
// are any.
void drop_zero_rows(const std::string& name, Matrix& matrix);
// A plain list of floats [rows].
std::vector<float> load_floats(const std::filesystem::path& file);
// [rows] or [rows x columns], row-major.
std::vector<std::int64_t> load_integers(const std::filesystem::path& file);

// The exact neighbours that a set ships, for every step-th of its queries, at most `limit` of them (0: all).
struct GroundTruth {
  std::size_t queries = 0;
  std::size_t depth = 0;          // neighbours per query
  std::vector<std::int64_t> ids;  // [queries x depth], nearest first
  std::vector<double> distances;  // squared L2

  std::span<const std::int64_t> ids_of(std::size_t query) const { return {ids.data() + query * depth, depth}; }
  double distance_of(std::size_t query, std::size_t rank) const { return distances[query * depth + rank]; }
};

GroundTruth load_ground_truth(const DataSetFiles& files, std::size_t step, std::size_t limit);

}  // namespace nestor::bench
