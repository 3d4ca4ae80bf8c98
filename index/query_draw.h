#pragma once
// The queries of a measurement in random order, or rows of the collection in their place.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/collection.h"

namespace nestor::index {

struct DrawnQueries {
  std::vector<float> vectors;  // [count x dim]
  std::vector<Slot> rows;      // that the vectors stand in; empty: they are queries

  // [first, last) of them.
  DrawnQueries part(std::size_t first, std::size_t last, std::size_t dim) const;
};

// queries [count x dim], all of them, shuffled; without any, at most `rows` live rows.
DrawnQueries draw_queries(const Collection& collection, std::span<const float> queries, std::size_t count,
                          std::size_t rows, std::uint64_t seed);

}  // namespace nestor::index
