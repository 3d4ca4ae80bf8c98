#include "index/distance.h"

#include <cmath>
#include <cstdlib>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

const simd::Kernels& choose() {
  const auto usable = usable_kernels();
  const char* wanted = std::getenv("NESTOR_KERNEL");
  if (wanted == nullptr || *wanted == '\0') return *usable.back();
  std::string names;
  for (const auto* table : usable) {
    if (std::string_view(table->name) == wanted) return *table;
    names += names.empty() ? table->name : std::string(", ") + table->name;
  }
  throw Error(ErrorCode::invalid_argument,
              "NESTOR_KERNEL=" + std::string(wanted) + " is not usable here; this processor can run: " + names);
}

// 1 - dot / |x|, with x a prefix of a unit vector; a zero prefix is as far as an orthogonal one.
float prefix_cosine(float dot, float squared_norm, float inverse_query_norm) {
  return squared_norm > 0 ? 1.0f - dot * inverse_query_norm / std::sqrt(squared_norm) : 1.0f;
}

}  // namespace

std::vector<const simd::Kernels*> usable_kernels() {
  std::vector<const simd::Kernels*> tables{&simd::scalar_kernels()};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    tables.push_back(&simd::avx2_kernels());
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni"))
    tables.push_back(&simd::avx512_kernels());
#endif
  return tables;
}

const simd::Kernels& kernels() {
  static const simd::Kernels& chosen = choose();
  return chosen;
}

ExactDistance::ExactDistance(Metric metric, const float* query, std::size_t width, std::size_t dim)
    : kernels_(kernels()), metric_(metric), query_(query), width_(width),
      normalise_(metric == Metric::cosine && width < dim) {
  if (normalise_) {
    const float norm = kernels_.dot_f32(query, query, width);
    inverse_norm_ = norm > 0 ? 1.0f / std::sqrt(norm) : 0.0f;
  }
}

float ExactDistance::operator()(const float* row) const {
  if (metric_ == Metric::l2) return kernels_.l2_f32(query_, row, width_);
  const float dot = kernels_.dot_f32(query_, row, width_);
  if (normalise_) return prefix_cosine(dot, kernels_.dot_f32(row, row, width_), inverse_norm_);
  return metric_ == Metric::cosine ? 1.0f - dot : -dot;
}

float ExactDistance::operator()(const std::uint16_t* row) const {
  if (metric_ == Metric::l2) return kernels_.l2_f16(query_, row, width_);
  const float dot = kernels_.dot_f16(query_, row, width_);
  if (normalise_) {
    std::vector<float> wide(width_);
    kernels_.f32_from_f16(row, wide.data(), width_);
    return prefix_cosine(dot, kernels_.dot_f32(wide.data(), wide.data(), width_), inverse_norm_);
  }
  return metric_ == Metric::cosine ? 1.0f - dot : -dot;
}

}  // namespace nestor::index
