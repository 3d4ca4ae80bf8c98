#pragma once
// The rows of a generation that a scan looks at.

#include <cstdint>
#include <span>
#include <vector>

#include "index/generation.h"
#include "index/tail.h"

namespace nestor::index {

// Alive rows whose slot is allowed (all when the bitmap is empty), ascending. O(set bits) when slots are allowed, else
// O(rows).
std::vector<std::uint32_t> list_rows(const Generation& generation, const DeadSlots& dead,
                                     std::span<const std::uint64_t> allowed_slots);

}  // namespace nestor::index
