#pragma once
// When a walk ends, what it counts, and how it names a candidate.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "index/search_policy.h"
#include "index/types.h"

namespace nestor::index {

inline constexpr std::size_t kMaxRows = std::size_t{1} << 31;

struct WalkLimits {
  std::uint32_t pool = 64;     // candidates kept
  std::uint32_t explore = 64;  // candidates expanded (ef), at most pool
  std::uint32_t k = 10;        // the gap is measured from the k-th candidate
  std::uint32_t keep = 20;     // candidates the next stage wants; the gap never thins the pool below this
  float gap = 0;               // stop when key(next) > (1 + gap) * key(k-th); 0: never
  const DeferralRule* deferral = nullptr;  // may widen the gap once, when it is reached
  std::uint32_t hidden = kNoSlot;          // a row that the walk does not meet, as if it had never been stored
  std::uint32_t beam = 1;  // rows that the descent to level 0 keeps, which the walk starts from; 1: greedy
};

struct WalkCounters {
  std::uint64_t evaluations = 0;  // rows compared, in part at least
  std::uint64_t finished = 0;     // rows compared to the end
  std::uint64_t hops = 0;
  bool stopped_by_gap = false;
  bool went_on = false;                  // the deferral rule widened the gap
  std::optional<WalkFeatures> features;  // as the deferral rule saw them
};

// A candidate is one 64-bit word, key << 32 | row << 1 | expanded, so that sorting words sorts by key. Rows are thus
// limited to kMaxRows.
inline std::uint64_t pack_candidate(std::uint32_t key, std::uint32_t row) {
  return std::uint64_t{key} << 32 | std::uint64_t{row} << 1;
}
inline std::uint32_t key_of(std::uint64_t candidate) { return static_cast<std::uint32_t>(candidate >> 32); }
inline std::uint32_t row_of(std::uint64_t candidate) { return static_cast<std::uint32_t>(candidate) >> 1; }

}  // namespace nestor::index
