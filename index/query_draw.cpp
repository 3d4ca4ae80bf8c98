#include "index/query_draw.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace nestor::index {

DrawnQueries DrawnQueries::part(std::size_t first, std::size_t last, std::size_t dim) const {
  const auto between = [](const auto& list, std::size_t from, std::size_t to) {
    return std::vector(list.begin() + static_cast<std::ptrdiff_t>(from),
                       list.begin() + static_cast<std::ptrdiff_t>(to));
  };
  DrawnQueries out;
  out.vectors = between(vectors, first * dim, last * dim);
  if (!rows.empty()) out.rows = between(rows, first, last);
  return out;
}

DrawnQueries draw_queries(const Collection& collection, std::span<const float> queries, std::size_t count,
                          std::size_t rows, std::uint64_t seed) {
  DrawnQueries drawn;
  if (queries.empty()) {
    for (SampledRow& row : collection.sample_rows(rows, seed)) {
      drawn.rows.push_back(row.slot);
      drawn.vectors.insert(drawn.vectors.end(), row.vector.begin(), row.vector.end());
    }
    return drawn;
  }
  const std::size_t dim = collection.options().dim;
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 rng(seed);
  std::shuffle(order.begin(), order.end(), rng);
  for (const std::size_t q : order) {
    const auto query = queries.subspan(q * dim, dim);
    drawn.vectors.insert(drawn.vectors.end(), query.begin(), query.end());
  }
  return drawn;
}

}  // namespace nestor::index
