#pragma once
// Rows and queries of every kind of data that an index over codes, prefixes and graphs is known to stumble over, by
// name and from a seed. Tests and benchmarks share them: a seed means the same values everywhere (seeded_random.h).
//
//   for (const DataKind& kind : data_kinds()) {
//     const KindData data = make_data(kind, {.rows = 6000, .queries = 100, .seed = test_seed()});
//     ...

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/types.h"
#include "tests/support/data_shapes.h"

namespace nestor::tests {

struct DataKind {
  std::string_view name;               // "near_duplicates"
  std::string_view what;               // one line
  std::uint32_t dim = 0;               // usual width; make_data takes others
  std::vector<index::Metric> metrics;  // by which it is worth comparing, the first one above all
  MakeShape make;
  std::size_t rows = 20000;  // usual number
};

const std::vector<DataKind>& data_kinds();
// Throws index::Error not_found, naming those that there are.
const DataKind& data_kind(std::string_view name);

struct KindRequest {
  std::size_t rows = 0;   // 0: the kind's usual number
  std::uint32_t dim = 0;  // 0: the kind's usual width
  std::size_t queries = 1000;
  std::uint64_t seed = 42;
  std::span<const float> bases =
      {};  // noisy_copies: the rows to copy, of `dim` coordinates each, in place of random ones
};

struct KindData {
  std::size_t rows = 0, queries = 0;
  std::uint32_t dim = 0;
  std::vector<float> base;   // [rows x dim], in the order in which they are to be written
  std::vector<float> asked;  // [queries x dim]; none of them is a row

  std::span<const float> row(std::size_t i) const { return {base.data() + i * dim, dim}; }
  std::span<const float> query(std::size_t i) const { return {asked.data() + i * dim, dim}; }
};

// The same request gives the same data; other numbers of rows or queries change none of the queries or rows before
// them, unless the kind divides its rows into groups. Throws index::Error invalid_argument.
KindData make_data(const DataKind& kind, const KindRequest& request);

}  // namespace nestor::tests
