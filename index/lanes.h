#pragma once
// Sums over a vector in eight lanes: one running sum would make every addition wait for the one before it, and the
// compiler may not reorder them by itself.

#include <algorithm>
#include <cstddef>

namespace nestor::index {

inline constexpr std::size_t kLanes = 8;

// term(i) summed over i < n, in double precision.
template <class Term>
double lane_sum(std::size_t n, const Term& term) {
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += term(i + j);
  double sum = 0;
  for (; i < n; ++i) sum += term(i);
  for (const double lane : lanes) sum += lane;
  return sum;
}

// The largest term(i), i < n, and at least `least`.
template <class Term>
float lane_max(std::size_t n, float least, const Term& term) {
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, least);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] = std::max(lanes[j], term(i + j));
  float largest = *std::max_element(lanes, lanes + kLanes);
  for (; i < n; ++i) largest = std::max(largest, term(i));
  return largest;
}

}  // namespace nestor::index
