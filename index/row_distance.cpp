#include "index/row_distance.h"

namespace nestor::index {

RowDistance::RowDistance(const Generation& generation, Metric metric, const PreparedQuery& query, std::size_t dim)
    : rotation_(ranks_rotated(generation, query.width, dim) ? generation.rotation() : nullptr),
      distance_(metric, rotation_ != nullptr ? query.rotated.data() : query.values.data(), query.width, dim,
                query.uneven_rows),
      dim_(dim) {
  if (rotation_ != nullptr) rotated_.resize(query.width);
}

float RowDistance::operator()(const float* row) {
  if (rotation_ == nullptr) return distance_(row);
  rotation_->apply({row, dim_}, rotated_);
  return distance_(rotated_.data());
}

float RowDistance::operator()(const RowMatrix& matrix, std::size_t row) {
  if (rotation_ == nullptr) return distance_(matrix, row);
  if (matrix.scalar_type == ScalarType::float32) return (*this)(reinterpret_cast<const float*>(matrix.row(row)));
  wide_.resize(dim_);
  kernels().f32_from_f16(reinterpret_cast<const std::uint16_t*>(matrix.row(row)), wide_.data(), dim_);
  return (*this)(wide_.data());
}

}  // namespace nestor::index
