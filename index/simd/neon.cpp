// NEON kernels: every AArch64 processor has them, float16 conversions included.
#include <arm_neon.h>

#include "index/simd/kernels.h"

namespace nestor::index::simd {
namespace {

constexpr std::size_t kPrefetchRows = 8;  // rows ahead, in groups of four

inline float32x4_t load_row(const float* x) { return vld1q_f32(x); }
inline float32x4_t load_row(const std::uint16_t* x) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x))); }
inline float load_one(const float* x) { return *x; }
inline float load_one(const std::uint16_t* x) {
  __fp16 half;
  __builtin_memcpy(&half, x, sizeof half);
  return half;
}

// One step of a sum: squared difference or product.
struct SquareStep {
  static inline float32x4_t add(float32x4_t sum, float32x4_t q, float32x4_t x) {
    const float32x4_t d = vsubq_f32(q, x);
    return vfmaq_f32(sum, d, d);
  }
  static inline float one(float q, float x) { return (q - x) * (q - x); }
};
struct ProductStep {
  static inline float32x4_t add(float32x4_t sum, float32x4_t q, float32x4_t x) { return vfmaq_f32(sum, q, x); }
  static inline float one(float q, float x) { return q * x; }
};

// Four sums side by side: with fewer, each waits for its own last addition.
template <class Step, class Scalar>
inline float float_sum(const float* q, const Scalar* x, std::size_t n) {
  float32x4_t a = vdupq_n_f32(0), b = a, c = a, d = a;
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    a = Step::add(a, vld1q_f32(q + i), load_row(x + i));
    b = Step::add(b, vld1q_f32(q + i + 4), load_row(x + i + 4));
    c = Step::add(c, vld1q_f32(q + i + 8), load_row(x + i + 8));
    d = Step::add(d, vld1q_f32(q + i + 12), load_row(x + i + 12));
  }
  for (; i + 4 <= n; i += 4) a = Step::add(a, vld1q_f32(q + i), load_row(x + i));
  float sum = vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d)));
  for (; i < n; ++i) sum += Step::one(q[i], load_one(x + i));
  return sum;
}

float l2_f32(const float* q, const float* x, std::size_t n) { return float_sum<SquareStep>(q, x, n); }
float dot_f32(const float* q, const float* x, std::size_t n) { return float_sum<ProductStep>(q, x, n); }
float l2_f16(const float* q, const std::uint16_t* x, std::size_t n) { return float_sum<SquareStep>(q, x, n); }
float dot_f16(const float* q, const std::uint16_t* x, std::size_t n) { return float_sum<ProductStep>(q, x, n); }

// Sums of 16 code products in four lanes. Codes are at most 127: four squared differences fit 16 unsigned bits, two
// products with a signed query fit 16 signed ones.
struct L2Step {
  static inline int32x4_t add(int32x4_t sum, uint8x16_t q, uint8x16_t x) {
    const uint8x16_t d = vabdq_u8(q, x);
    const uint16x8_t squares = vmlal_high_u8(vmull_u8(vget_low_u8(d), vget_low_u8(d)), d, d);
    return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(sum), squares));
  }
};
struct DotStep {
  static inline int32x4_t add(int32x4_t sum, uint8x16_t q, uint8x16_t x) {
    const int8x16_t a = vreinterpretq_s8_u8(q), b = vreinterpretq_s8_u8(x);
    return vpadalq_s16(sum, vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
  }
};

// How codes lie in memory: 32 of them, in their own order.
struct Codes {
  uint8x16_t a, b;
};
struct Whole {
  static constexpr std::size_t kCodesPerByte = 1;
  static inline Codes codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    return {vld1q_u8(row + i), vld1q_u8(row + i + 16)};
  }
};
inline Codes leading(uint8x16_t v) { return {vshlq_n_u8(vandq_u8(v, vdupq_n_u8(15)), 3), vshlq_n_u8(vshrq_n_u8(v, 4), 3)}; }
struct Coarse {
  static constexpr std::size_t kCodesPerByte = 2;
  static inline Codes codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    const Codes c = leading(vld1q_u8(row + i / 2));
    return {vorrq_u8(c.a, vdupq_n_u8(4)), vorrq_u8(c.b, vdupq_n_u8(4))};
  }
};
struct Split {
  static constexpr std::size_t kCodesPerByte = 2;
  static inline Codes codes(const std::uint8_t* row, const std::uint8_t* trailing, std::size_t i) {
    const Codes c = leading(vld1q_u8(row + i / 2));
    const uint8x16_t t = vld1q_u8(trailing + i / 2);
    return {vorrq_u8(c.a, vandq_u8(t, vdupq_n_u8(15))), vorrq_u8(c.b, vshrq_n_u8(t, 4))};
  }
};

inline void prefetch_row(const CodeBatch& batch, std::size_t r, std::size_t bytes) {
  const std::size_t at = static_cast<std::size_t>(batch.rows[r]) * batch.stride;
  for (std::size_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(batch.base + at + i);
    if (batch.trailing != nullptr) __builtin_prefetch(batch.trailing + at + i);
  }
}

// kRows rows at a time: one load of the query serves them all.
template <class Source, class Step, std::size_t kRows>
inline void sum_rows(const std::uint8_t* q, const CodeBatch& batch, std::size_t first, int32x4_t* sums) {
  const std::uint8_t *rows[kRows], *trailing[kRows];
  for (std::size_t j = 0; j < kRows; ++j) {
    const std::size_t at = static_cast<std::size_t>(batch.rows[first + j]) * batch.stride;
    rows[j] = batch.base + at;
    trailing[j] = batch.trailing == nullptr ? nullptr : batch.trailing + at;
    sums[j] = vdupq_n_s32(0);
  }
  for (std::size_t i = 0; i < batch.length; i += 32) {
    const uint8x16_t y0 = vld1q_u8(q + i), y1 = vld1q_u8(q + i + 16);
    for (std::size_t j = 0; j < kRows; ++j) {
      const Codes x = Source::codes(rows[j], trailing[j], i);
      sums[j] = Step::add(Step::add(sums[j], y0, x.a), y1, x.b);
    }
  }
}

template <class Source, class Step>
inline void code_sums(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  const std::size_t bytes = batch.length / Source::kCodesPerByte;
  const std::size_t ahead = batch.prefetch ? batch.count : 0;  // rows that may be sent for
  for (std::size_t r = 0; r < kPrefetchRows && r < ahead; ++r) prefetch_row(batch, r, bytes);
  int32x4_t s[4];
  std::size_t r = 0;
  for (; r + 4 <= batch.count; r += 4) {
    for (std::size_t p = r + kPrefetchRows; p < r + kPrefetchRows + 4 && p < ahead; ++p) prefetch_row(batch, p, bytes);
    sum_rows<Source, Step, 4>(q, batch, r, s);
    vst1q_s32(out + r, vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3])));
  }
  for (; r < batch.count; ++r) {
    sum_rows<Source, Step, 1>(q, batch, r, s);
    out[r] = vaddvq_s32(s[0]);
  }
}

template <class Source>
void l2(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_sums<Source, L2Step>(q, batch, out);
}
template <class Source>
void dot(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_sums<Source, DotStep>(reinterpret_cast<const std::uint8_t*>(q), batch, out);
}

std::int32_t l2_code_pair(const std::uint8_t* a, const std::uint8_t* b, std::size_t n) {
  int32x4_t first = vdupq_n_s32(0), second = first;
  for (std::size_t i = 0; i < n; i += 32) {
    first = L2Step::add(first, vld1q_u8(a + i), vld1q_u8(b + i));
    second = L2Step::add(second, vld1q_u8(a + i + 16), vld1q_u8(b + i + 16));
  }
  return vaddvq_s32(vaddq_s32(first, second));
}

// kVectors * 4 columns at a time stay in registers over all rows.
template <std::size_t kVectors>
inline void add_columns(const WeightedRows& rows, float* out, std::size_t first) {
  float32x4_t sums[kVectors];
  for (std::size_t j = 0; j < kVectors; ++j) sums[j] = vld1q_f32(out + first + 4 * j);
  for (std::size_t r = 0; r < rows.count; ++r) {
    const float* row = rows.matrix + rows.rows[r] * rows.stride + first;
    for (std::size_t j = 0; j < kVectors; ++j) sums[j] = vfmaq_n_f32(sums[j], vld1q_f32(row + 4 * j), rows.weights[r]);
  }
  for (std::size_t j = 0; j < kVectors; ++j) vst1q_f32(out + first + 4 * j, sums[j]);
}

void add_rows(const WeightedRows& rows, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) add_columns<16>(rows, out, i);
  for (; i + 4 <= n; i += 4) add_columns<1>(rows, out, i);
  for (; i < n; ++i)
    for (std::size_t r = 0; r < rows.count; ++r) out[i] += rows.weights[r] * rows.matrix[rows.rows[r] * rows.stride + i];
}

void f16_from_f32(const float* in, std::uint16_t* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) vst1_u16(out + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(in + i))));
  for (; i < n; ++i) {
    const __fp16 half = static_cast<__fp16>(in[i]);
    __builtin_memcpy(out + i, &half, sizeof half);
  }
}

void f32_from_f16(const std::uint16_t* in, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) vst1q_f32(out + i, load_row(in + i));
  for (; i < n; ++i) out[i] = load_one(in + i);
}

}  // namespace

const Kernels& neon_kernels() {
  static const Kernels table{"neon",     l2_f32,      dot_f32,   l2_f16,     dot_f16,      l2<Whole>,   dot<Whole>,
                             l2<Coarse>, dot<Coarse>, l2<Split>, dot<Split>, l2_code_pair, add_rows, f16_from_f32, f32_from_f16};
  return table;
}

}  // namespace nestor::index::simd
