#pragma once
// The kernels in use, and exact distances built on them.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "index/simd/kernels.h"
#include "index/simd/scan_kernels.h"
#include "index/types.h"

namespace nestor::index {

// Chosen at first use: the widest instruction set this processor has, or what the environment variable
// NESTOR_KERNEL names (scalar, avx2, avx512, neon). An unusable name throws Error invalid_argument.
const simd::Kernels& kernels();
const simd::ScanKernels& scan_kernels();  // of the same name

// Every table this processor can run, scalar first. For tests and benchmarks.
std::vector<const simd::Kernels*> usable_kernels();
std::vector<const simd::ScanKernels*> usable_scan_kernels();  // in the same order

// Stored rows, row-major, `dim` coordinates each, float32 or float16.
struct RowMatrix {
  const void* data = nullptr;
  std::size_t rows = 0;
  std::size_t dim = 0;
  ScalarType scalar_type = ScalarType::float32;

  const std::byte* row(std::size_t r) const {
    return static_cast<const std::byte*>(data) + r * dim * (scalar_type == ScalarType::float32 ? 4 : 2);
  }
};

// Exact distances of one query over its first `width` coordinates. A prefix shorter than the vectors is compared
// as a vector of its own: with cosine it is normalised on both sides, as `uneven_rows` are, whose length is not
// quite 1. What overflows to no number is infinitely far. O(width) each.
class ExactDistance {
 public:
  // query: at least width values, must outlive this object; dim: the full width of the rows.
  ExactDistance(Metric metric, const float* query, std::size_t width, std::size_t dim, bool uneven_rows = false);

  float operator()(const float* row) const;
  float operator()(const std::uint16_t* row) const;
  float operator()(const RowMatrix& matrix, std::size_t row) const {
    const std::byte* p = matrix.row(row);
    return matrix.scalar_type == ScalarType::float32 ? (*this)(reinterpret_cast<const float*>(p))
                                                     : (*this)(reinterpret_cast<const std::uint16_t*>(p));
  }

 private:
  const simd::Kernels& kernels_;
  Metric metric_;
  const float* query_;
  std::size_t width_;
  float of_dot(float dot) const;

  bool normalise_;          // cosine over a prefix or uneven rows
  float inverse_norm_ = 0;  // 1 / |q_prefix|, only then
};

}  // namespace nestor::index
