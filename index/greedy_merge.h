#pragma once
// Greedy merge of a datastore (He et al. 2021, "Efficient Nearest Neighbor Language Models", section 4.3): rows that
// are near each other and say the same become one row with a weight.
//
// Rows are visited in random order. A row c that still stands takes over each of its nearest neighbours v that says
// the same token and has not been merged itself (weight 1, so also not one that took others): weight[v] = 0,
// weight[c] += 1. Rows with weight above 0 are kept.

#include <cstdint>
#include <span>
#include <vector>

namespace nestor::index {

inline constexpr std::uint32_t kNoRow = 0xFFFFFFFFu;

struct MergeInput {
  std::span<const std::uint32_t> values;      // [rows]: the token of each
  std::span<const std::uint32_t> neighbours;  // [rows x k]: nearest rows; the row itself and kNoRow are passed over
  std::uint64_t seed = 1;                     // of the order
};

// The weight of each row, 0 for those merged away; they add up to the number of rows. O(rows x k). Throws Error
// invalid_argument on lengths that do not fit and rows out of range.
std::vector<std::uint32_t> greedy_merge(const MergeInput& input);

}  // namespace nestor::index
