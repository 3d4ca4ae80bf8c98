#pragma once
// Codes rows that come after a generation was built, with its rotation, quantizer and error limits, so that one scan
// compares a query with both.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/generation.h"

namespace nestor::index {

// One thread.
class RowCoder {
 public:
  // Null when the generation has no codes with error limits.
  static std::unique_ptr<RowCoder> of(std::shared_ptr<const Generation> generation);

  std::size_t length() const { return generation_->quantizer().row_length(); }
  // code: length() bytes. Returns the row's error byte; never throws: where the row cannot be coded the byte says that
  // nothing is known of it.
  std::uint8_t code(std::span<const float> row, std::uint8_t* code) noexcept;

 private:
  explicit RowCoder(std::shared_ptr<const Generation> generation) : generation_(std::move(generation)) {}

  std::shared_ptr<const Generation> generation_;
  std::vector<float> rotated_;
};

}  // namespace nestor::index
