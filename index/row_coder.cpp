#include "index/row_coder.h"

#include <cstring>

namespace nestor::index {

std::unique_ptr<RowCoder> RowCoder::of(std::shared_ptr<const Generation> generation) {
  if (generation->code_bound().empty()) return nullptr;
  return std::unique_ptr<RowCoder>(new RowCoder(std::move(generation)));
}

std::uint8_t RowCoder::code(std::span<const float> row, std::uint8_t* code) noexcept {
  const Quantizer& quantizer = generation_->quantizer();
  try {
    const float* coded = row.data();
    if (generation_->codes_turned()) {
      rotated_.resize(quantizer.dim());
      generation_->turn(row, rotated_);
      coded = rotated_.data();
    }
    quantizer.encode(coded, code);
    return generation_->code_bound().byte_of(measure_code(quantizer, coded, code, row.data(), row.size()));
  } catch (...) {  // out of memory for the rotated row: the row is durable already, so it must be kept
    std::memset(code, 0, quantizer.row_length());
    return CodeBound::kUnknown;
  }
}

}  // namespace nestor::index
