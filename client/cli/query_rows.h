#pragma once
// The queries of `search` and `lookup`: some rows of a vector file.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/collection.h"

namespace nestor::client {

struct QueryArguments {
  std::string path;
  std::optional<std::uint64_t> row;
  std::string rows;  // "A:B"
};

void add_query_options(CLI::App& command, QueryArguments& arguments);

struct QueryRows {
  std::uint64_t first = 0;  // row in the file of the first query
  std::uint32_t dim = 0;
  std::uint64_t file_rows = 0;
  std::vector<float> vectors;  // [count x dim]

  std::size_t count() const { return vectors.size() / dim; }
  std::span<const float> vector(std::size_t i) const { return std::span(vectors).subspan(i * dim, dim); }
};

// The rows that were asked for; `all_rows` says what no choice means: every row, or row 0.
// Throws Error invalid_argument: a malformed file, rows outside it, NaN or infinity.
QueryRows load_queries(const QueryArguments& arguments, bool all_rows);

// Throws Error invalid_argument unless the queries have the collection's dimension, or one of its widths.
void check_dimension(const QueryRows& queries, const std::string& path, const index::Collection& collection);

}  // namespace nestor::client
