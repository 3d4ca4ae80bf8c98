#pragma once
// Rows that are the same, bit for bit. One of each kind, the first, stands in the graphs; the others are its copies and
// follow where it is found. In a graph, copies would fill each other's links until nothing led to or from them, and a
// walk would compare the same vector again and again.
//
// Section "copies" of a generation, little-endian: uint32 version = 1, uint32 count, then `count` pairs of uint32 (row in
// the graphs, its copy), ascending. Generations without it hold every row in their graphs.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace nestor::index {

struct RowCopy {
  std::uint32_t original = 0, row = 0;
  auto operator<=>(const RowCopy&) const = default;
};

// All copies among rows [count x dim], ascending. The first `settled` rows were sorted out before: `known` are the
// copies among them, all others of them count as originals. O(count * dim), on `threads` threads.
std::vector<RowCopy> find_copies(const float* rows, std::size_t count, std::size_t dim, std::size_t settled,
                                 std::span<const RowCopy> known, unsigned threads);

// View of a section.
class RowCopies {
 public:
  RowCopies() = default;
  // Throws Error data_loss on bytes that do not fit `rows` rows.
  RowCopies(std::span<const std::byte> section, std::size_t rows);
  static std::vector<std::byte> to_bytes(std::span<const RowCopy> copies);

  bool empty() const { return copies_.empty(); }
  std::span<const RowCopy> all() const { return copies_; }
  // The copies of a row, ascending; none for most. O(log copies).
  std::span<const RowCopy> of(std::uint32_t original) const {
    const auto first = std::lower_bound(copies_.begin(), copies_.end(), RowCopy{original, 0});
    auto last = first;
    while (last != copies_.end() && last->original == original) ++last;
    return {first, last};
  }

 private:
  std::span<const RowCopy> copies_;
};

}  // namespace nestor::index
