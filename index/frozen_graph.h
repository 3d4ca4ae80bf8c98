#pragma once
// An HNSW graph after its construction: immutable, flat, mapped from a file or owned by a builder.
//
// Level 0: rows x (2 * max_links) row numbers, kNoSlot after the last one; copied and packed when opened. Upper levels
// are packed apart, each as its own small graph with numbers of its own, so that no array of all rows is needed for
// them.
//
// Bytes of the "upper" block (little-endian uint32): version = 1, max_links, entry row, number of upper levels L,
// then for level 1..L: n, n row numbers, n numbers in the level below (level 1: row numbers again),
// n * max_links links as numbers in this level, kNoSlot padded. The top level is non-empty.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/memory.h"
#include "index/packed_links.h"
#include "index/types.h"

namespace nestor::index {

// A graph as bytes, owned: what the builder makes and a generation stores.
struct GraphBytes {
  HugeBuffer links;
  std::vector<std::uint32_t> upper;
};

class FrozenGraph {
 public:
  struct Level {
    std::span<const std::uint32_t> rows;   // row number of each node
    std::span<const std::uint32_t> below;  // its number in the level below
    std::span<const std::uint32_t> links;  // nodes x max_links
  };

  FrozenGraph() = default;
  // Packs `links` and keeps views of `upper`; throws Error data_loss when sizes or numbers do not fit.
  FrozenGraph(std::span<const std::byte> links, std::span<const std::byte> upper, std::size_t rows);

  std::size_t rows() const { return rows_; }
  std::uint32_t entry_row() const { return entry_; }
  std::uint32_t max_links() const { return max_links_; }
  std::uint32_t degree() const { return degree_; }  // most level-0 links of a row, 2 * max_links
  const PackedLinks& links() const { return links_; }
  const std::vector<Level>& upper_levels() const { return levels_; }  // level 1 first

 private:
  std::size_t rows_ = 0;
  std::uint32_t entry_ = 0, max_links_ = 0, degree_ = 0;
  PackedLinks links_;
  std::vector<Level> levels_;
};

}  // namespace nestor::index
