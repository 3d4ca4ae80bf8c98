#include "index/greedy_merge.h"

#include <numeric>
#include <random>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

// std::shuffle's order differs between libraries; this one is the same everywhere.
std::vector<std::uint32_t> random_order(std::size_t rows, std::uint64_t seed) {
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  std::mt19937_64 random(seed);
  for (std::size_t i = rows; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

}  // namespace

std::vector<std::uint32_t> greedy_merge(const MergeInput& input) {
  const std::size_t rows = input.values.size();
  if (rows == 0 ? !input.neighbours.empty() : input.neighbours.size() % rows != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(input.neighbours.size()) +
                                                 " neighbours are not a list of one length for each of " +
                                                 std::to_string(rows) + " rows");
  for (const std::uint32_t v : input.neighbours)
    if (v >= rows && v != kNoRow)
      throw Error(ErrorCode::invalid_argument,
                  "neighbour " + std::to_string(v) + " is not one of the " + std::to_string(rows) + " rows");
  const std::size_t k = rows == 0 ? 0 : input.neighbours.size() / rows;
  std::vector<std::uint32_t> weights(rows, 1);
  for (const std::uint32_t c : random_order(rows, input.seed)) {
    if (weights[c] == 0) continue;
    for (const std::uint32_t v : input.neighbours.subspan(c * k, k)) {
      if (v == kNoRow || v == c || weights[v] != 1 || input.values[v] != input.values[c]) continue;
      weights[v] = 0;
      ++weights[c];
    }
  }
  return weights;
}

}  // namespace nestor::index
