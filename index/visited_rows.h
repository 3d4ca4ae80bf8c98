#pragma once
// Which rows a walk has met.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nestor::index {

// One byte a row, cleared by counting epochs. Measured level with a bitset at 200k
// rows, and needs no list of what to clear.
class VisitedRows {
 public:
  void start(std::size_t rows) {
    if (marks_.size() < rows + 1) {
      marks_.assign(rows + 1, 0);
      epoch_ = 0;
    }
    if (++epoch_ == 0) {
      std::fill(marks_.begin(), marks_.end(), std::uint8_t{0});
      epoch_ = 1;
    }
    none_ = static_cast<std::uint32_t>(rows);
    marks_[none_] = epoch_;  // what padding links stand for
  }
  // Copies the rows not met before to `out` (room for `count`) and marks them. Without branches: whether a
  // neighbour is new is a coin toss that no predictor learns.
  std::size_t take_new(const std::uint32_t* rows, std::size_t count, std::uint32_t* out) {
    // Locals: a store through a byte pointer could change the members, so they would be read again each time.
    std::uint8_t* const marks = marks_.data();
    const std::uint8_t epoch = epoch_;
    const std::uint32_t none = none_;
    std::size_t n = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t row = std::min(rows[i], none);
      out[n] = row;
      n += marks[row] != epoch;
      marks[row] = epoch;
    }
    return n;
  }

 private:
  std::vector<std::uint8_t> marks_;
  std::uint8_t epoch_ = 0;
  std::uint32_t none_ = 0;
};

}  // namespace nestor::index
