#include "index/distance.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "index/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nestor::index {
namespace {

struct Tables {
  const simd::Kernels* kernels;
  const simd::ScanKernels* scan;
};

#if defined(__x86_64__)
// Not by __builtin_cpu_supports, in which clang 14 does not know the word.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

std::vector<Tables> usable_tables() {
  std::vector<Tables> tables{{&simd::scalar_kernels(), &simd::scalar_scan_kernels()}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
    tables.push_back({&simd::avx2_kernels(), &simd::avx2_scan_kernels()});
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni"))
    tables.push_back({&simd::avx512_kernels(), &simd::avx512_scan_kernels()});
#elif defined(__aarch64__)
  tables.push_back({&simd::neon_kernels(), &simd::neon_scan_kernels()});
#endif
  return tables;
}

Tables choose() {
  const auto usable = usable_tables();
  const char* wanted = std::getenv("NESTOR_KERNEL");
  if (wanted == nullptr || *wanted == '\0') return usable.back();
  std::string names;
  for (const Tables& table : usable) {
    if (std::string_view(table.kernels->name) == wanted) return table;
    names += names.empty() ? table.kernels->name : std::string(", ") + table.kernels->name;
  }
  throw Error(ErrorCode::invalid_argument,
              "NESTOR_KERNEL=" + std::string(wanted) + " is not usable here; this processor can run: " + names);
}

const Tables& chosen() {
  static const Tables tables = choose();
  return tables;
}

// 1 - dot / |x|, with x a prefix of a unit vector; a zero prefix is as far as an orthogonal one.
float prefix_cosine(float dot, float squared_norm, float inverse_query_norm) {
  return squared_norm > 0 ? 1.0f - dot * inverse_query_norm / std::sqrt(squared_norm) : 1.0f;
}

}  // namespace

std::vector<const simd::Kernels*> usable_kernels() {
  std::vector<const simd::Kernels*> tables;
  for (const Tables& t : usable_tables()) tables.push_back(t.kernels);
  return tables;
}

std::vector<const simd::ScanKernels*> usable_scan_kernels() {
  std::vector<const simd::ScanKernels*> tables;
  for (const Tables& t : usable_tables()) tables.push_back(t.scan);
  return tables;
}

const simd::Kernels& kernels() { return *chosen().kernels; }
const simd::ScanKernels& scan_kernels() { return *chosen().scan; }

ExactDistance::ExactDistance(Metric metric, const float* query, std::size_t width, std::size_t dim, bool uneven_rows)
    : kernels_(kernels()),
      metric_(metric),
      query_(query),
      width_(width),
      normalise_(metric == Metric::cosine && (width < dim || uneven_rows)) {
  if (normalise_) {
    const float norm = kernels_.dot_f32(query, query, width);
    inverse_norm_ = norm > 0 ? 1.0f / std::sqrt(norm) : 0.0f;
  }
}

// Products of large numbers can be infinite on both sides, and then their sum is no number.
float ExactDistance::of_dot(float dot) const {
  if (std::isnan(dot)) return std::numeric_limits<float>::infinity();
  return metric_ == Metric::cosine ? 1.0f - dot : -dot;
}

float ExactDistance::operator()(const float* row) const {
  if (metric_ == Metric::l2) return kernels_.l2_f32(query_, row, width_);
  const float dot = kernels_.dot_f32(query_, row, width_);
  return normalise_ ? prefix_cosine(dot, kernels_.dot_f32(row, row, width_), inverse_norm_) : of_dot(dot);
}

float ExactDistance::operator()(const std::uint16_t* row) const {
  if (metric_ == Metric::l2) return kernels_.l2_f16(query_, row, width_);
  if (!normalise_) return of_dot(kernels_.dot_f16(query_, row, width_));
  thread_local std::vector<float> wide;
  wide.resize(width_);
  kernels_.f32_from_f16(row, wide.data(), width_);
  return (*this)(wide.data());
}

}  // namespace nestor::index
