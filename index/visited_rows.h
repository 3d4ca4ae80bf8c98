#pragma once
// Which rows a walk has met.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nestor::index {

// One bit a row, so that it stays in the nearest caches while codes stream through them (a byte a row took a quarter
// of a walk for 1,024 neighbours among 200,000 rows); what was set is remembered and taken back, so that starting
// costs what the last walk met and not what there is.
class VisitedRows {
 public:
  void start(std::size_t rows) {
    if (bits_.size() < rows / 8 + 1) {
      bits_.assign(rows / 8 + 1, 0);
    } else {
      for (const std::uint32_t row : met_) bits_[row / 8] = 0;
    }
    met_.clear();
  }
  // Copies the rows not met before to `out` (room for `count`) and marks them. Without branches: whether a
  // neighbour is new is a coin toss that no predictor learns.
  std::size_t take_new(const std::uint32_t* rows, std::size_t count, std::uint32_t* out) {
    // A local: a store through a byte pointer could change the member, so it would be read again each time.
    std::uint8_t* const bits = bits_.data();
    std::size_t n = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t row = rows[i];
      const std::uint32_t byte = bits[row / 8], bit = 1u << row % 8;
      out[n] = row;
      n += (byte & bit) == 0;
      bits[row / 8] = static_cast<std::uint8_t>(byte | bit);
    }
    met_.insert(met_.end(), out, out + n);
    return n;
  }

 private:
  std::vector<std::uint8_t> bits_;
  std::vector<std::uint32_t> met_;
};

}  // namespace nestor::index
