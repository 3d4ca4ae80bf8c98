#pragma once
// How far the code of a row may be from the row: what lets a scan of codes leave rows out and still be exact.
//
//   |x - decode(code(x))| <= error(byte of x)           over the coded coordinates, measured when x was coded
//
// so that, with e_q the same for the query, | |q - x| - step * sqrt(code sum) | <= e_q + error (triangle inequality).
// The byte of a row counts steps of a 254th of the largest error, rounded up. Per row and not per collection: a value
// that was clipped errs far more than the rest, and the largest error is six to twelve times the median
// (docs/performance.md).
//
// Section "code_errors" of a generation, little-endian: uint32 version = 1, float32 unit, reach, norm, norm_slack,
// code_reach (0: not known), two uint32 zero, then one byte per row. Generations without it are scanned over their exact rows.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/quantizer.h"

namespace nestor::index {

// What one row adds to the bound.
struct CodeError {
  float error = 0;       // |x - decode(code)|
  float reach = 0;       // |decode(code) - decode(64, 64, ...)|
  float code_reach = 0;  // |code - (64, 64, ...)|
  float norm = 0;        // |x|, of the stored row
  float norm_slack = 0;  // | |x|^2 - 1 |
};

// coded: the coordinates that were coded (rotated where codes are), row: the stored row, `dim` coordinates.
CodeError measure_code(const Quantizer& quantizer, const float* coded, const std::uint8_t* code, const float* row,
                       std::size_t dim);

// View of a section; limits hold for all its rows.
class CodeBound {
 public:
  // Of a row coded later that is outside the limits: nothing is known, it must be looked at.
  static constexpr std::uint8_t kUnknown = 255;

  CodeBound() = default;
  // Throws Error data_loss on bytes that do not fit.
  CodeBound(std::span<const std::byte> section, std::size_t rows);
  static std::vector<std::byte> to_bytes(std::span<const CodeError> rows);

  bool empty() const { return errors_ == nullptr; }
  const std::uint8_t* errors() const { return errors_; }  // one byte per row
  double error(std::uint8_t byte) const { return static_cast<double>(unit_) * byte; }
  double unit() const { return unit_; }
  double reach() const { return reach_; }
  double code_reach() const { return code_reach_; }  // 0: written before it was measured
  double norm() const { return norm_; }
  double norm_slack() const { return norm_slack_; }
  // Byte of a row that came after the section was written.
  std::uint8_t byte_of(const CodeError& row) const;

 private:
  const std::uint8_t* errors_ = nullptr;
  float unit_ = 1, reach_ = 0, code_reach_ = 0, norm_ = 0, norm_slack_ = 0;
};

}  // namespace nestor::index
