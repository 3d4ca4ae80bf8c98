#pragma once
// The level-0 links of a graph as walks read them: three bytes each among up to 2^24 - 1 rows, four beyond. A row's
// links stand at a fixed place, so that they can be sent for the moment the row is known: links of different lengths
// packed closely (a third to two thirds of the places are empty) would need their starts looked up first, and that
// second wait cost a quarter of a walk for 1,024 neighbours (measured, 200,000 keys).

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "index/memory.h"

namespace nestor::index {

class PackedLinks {
 public:
  PackedLinks() = default;
  // links: rows x degree row numbers, kNoSlot after the last one of a row. Throws Error data_loss for a number out of
  // range, resource_exhausted. O(rows * degree), on all cores.
  PackedLinks(std::span<const std::uint32_t> links, std::size_t rows, std::uint32_t degree);

  // Sends for the links of a row.
  void send(std::uint32_t row) const {
    const std::byte* const from = place(row);
    for (std::size_t byte = 0; byte < stride_; byte += kLine) __builtin_prefetch(from + byte);
    __builtin_prefetch(from + stride_ - 1);
  }
  // Copies the links of a row to `out`, room for `degree`; returns how many.
  std::size_t read(std::uint32_t row, std::uint32_t* out) const {
    const std::byte* from = place(row);
    std::size_t count = 0;
    for (; count < degree_; ++count, from += bytes_each_) {
      std::uint32_t word;
      std::memcpy(&word, from, sizeof word);
      word &= none_;
      if (word == none_) break;
      out[count] = word;
    }
    return count;
  }
  std::size_t bytes() const { return links_.size(); }

 private:
  static constexpr std::size_t kLine = 64;

  const std::byte* place(std::uint32_t row) const { return links_.data() + row * stride_; }

  std::size_t degree_ = 0, bytes_each_ = 0, stride_ = 0;
  std::uint32_t none_ = 0;  // a place without a link: all bits set; no row has this number
  HugeBuffer links_;
};

}  // namespace nestor::index
