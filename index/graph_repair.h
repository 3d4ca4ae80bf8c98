#pragma once
// Makes every row of a graph reachable. An insertion gives each row links, but what leads to it may be pruned away when
// its neighbours find nearer ones: among near-duplicates, or rows that arrive cluster by cluster, some end with no way in.

#include <cstddef>
#include <cstdint>
#include <span>

namespace nestor::index {

// links: rows x degree row numbers, kNoSlot after the last one of a row. rows: those in the graph. Adds links to rows
// that cannot be reached from `entry`: from the row in reach that is the nearest by the links that lead out of them, in a
// free place or in place of its last link to a row that keeps another way in. Returns how many links were added.
// O(rows * degree).
std::size_t connect_all(std::span<std::uint32_t> links, std::size_t degree, std::uint32_t entry,
                        std::span<const std::uint32_t> rows);

}  // namespace nestor::index
