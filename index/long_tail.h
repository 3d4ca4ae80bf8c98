#pragma once
// How many rows a tail may hold, by the size of the generation before it.

#include <algorithm>
#include <cstddef>

namespace nestor::index {

inline std::size_t share_of(std::size_t rows, double share, std::size_t least) {
  return std::max(least, static_cast<std::size_t>(share * static_cast<double>(rows)));
}

// Rows that may wait for a build under way before writers are slowed down.
inline std::size_t long_tail(std::size_t generation_rows) { return share_of(generation_rows, 0.5, 50'000); }

}  // namespace nestor::index
