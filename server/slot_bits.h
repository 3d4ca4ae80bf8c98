#pragma once
// Sets of slots as bits: bit i of word i / 64 is slot i. All sets of one evaluation have the same length.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/types.h"

namespace nestor::server {

using SlotBits = std::vector<std::uint64_t>;

inline void add_slot(SlotBits& bits, index::Slot slot) {
  if (slot / 64 < bits.size()) bits[slot / 64] |= std::uint64_t{1} << (slot % 64);
}
inline bool has_slot(const SlotBits& bits, index::Slot slot) {
  return slot / 64 < bits.size() && (bits[slot / 64] >> (slot % 64) & 1) != 0;
}
inline void intersect(SlotBits& into, const SlotBits& other) {
  for (std::size_t i = 0; i < into.size(); ++i) into[i] &= i < other.size() ? other[i] : 0;
}
inline void unite(SlotBits& into, const SlotBits& other) {
  if (into.size() < other.size()) into.resize(other.size());
  for (std::size_t i = 0; i < other.size(); ++i) into[i] |= other[i];
}
inline void subtract(SlotBits& from, const SlotBits& other) {
  for (std::size_t i = 0; i < from.size() && i < other.size(); ++i) from[i] &= ~other[i];
}
inline bool any_slot(const SlotBits& bits) {
  for (const std::uint64_t word : bits)
    if (word != 0) return true;
  return false;
}

}  // namespace nestor::server
