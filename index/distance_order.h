#pragma once
// Sorting rows by distance.

#include <cstdint>
#include <vector>

namespace nestor::index {

// A row with its exact distance; smaller is nearer.
struct RankedRow {
  std::uint32_t row = 0;
  float distance = 0;
};

// Ascending by distance, ties by row; -0 equals 0. Distances must not be NaN. Many are sorted by radix: comparisons of
// a thousand distances mispredict every second time. scratch: memory to use again.
void sort_by_distance(std::vector<RankedRow>& rows, std::vector<std::uint64_t>& scratch);

}  // namespace nestor::index
