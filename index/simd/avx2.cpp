// AVX2 + FMA + F16C kernels. Built with -mavx2 -mfma -mf16c; entered only where the processor has them.
#include <immintrin.h>

#include "index/simd/kernels.h"

namespace nestor::index::simd {
namespace {

constexpr std::size_t kPrefetchRows = 8;  // rows ahead, in groups of four

inline float horizontal_sum(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  s = _mm_add_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}

inline __m256 load_row(const float* x) { return _mm256_loadu_ps(x); }
inline __m256 load_row(const std::uint16_t* x) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
}
inline float load_one(const float* x) { return *x; }
inline float load_one(const std::uint16_t* x) { return _cvtsh_ss(*x); }

// One step of a sum: squared difference or product.
struct SquareStep {
  static inline __m256 add(__m256 sum, __m256 q, __m256 x) {
    const __m256 d = _mm256_sub_ps(q, x);
    return _mm256_fmadd_ps(d, d, sum);
  }
  static inline float one(float q, float x) { return (q - x) * (q - x); }
};
struct ProductStep {
  static inline __m256 add(__m256 sum, __m256 q, __m256 x) { return _mm256_fmadd_ps(q, x, sum); }
  static inline float one(float q, float x) { return q * x; }
};

// Four sums side by side: with fewer, each waits for its own last addition.
template <class Step, class Scalar>
inline float float_sum(const float* q, const Scalar* x, std::size_t n) {
  __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    a = Step::add(a, _mm256_loadu_ps(q + i), load_row(x + i));
    b = Step::add(b, _mm256_loadu_ps(q + i + 8), load_row(x + i + 8));
    c = Step::add(c, _mm256_loadu_ps(q + i + 16), load_row(x + i + 16));
    d = Step::add(d, _mm256_loadu_ps(q + i + 24), load_row(x + i + 24));
  }
  for (; i + 8 <= n; i += 8) a = Step::add(a, _mm256_loadu_ps(q + i), load_row(x + i));
  float sum = horizontal_sum(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
  for (; i < n; ++i) sum += Step::one(q[i], load_one(x + i));
  return sum;
}

float l2_f32(const float* q, const float* x, std::size_t n) { return float_sum<SquareStep>(q, x, n); }
float dot_f32(const float* q, const float* x, std::size_t n) { return float_sum<ProductStep>(q, x, n); }
float l2_f16(const float* q, const std::uint16_t* x, std::size_t n) { return float_sum<SquareStep>(q, x, n); }
float dot_f16(const float* q, const std::uint16_t* x, std::size_t n) { return float_sum<ProductStep>(q, x, n); }

// Pair sums of 32 code products: codes are at most 127, so 2 * 127 * 127 fits 16 bits.
struct L2Step {
  static inline __m256i pairs(__m256i q, __m256i x) {
    const __m256i d = _mm256_abs_epi8(_mm256_sub_epi8(q, x));
    return _mm256_maddubs_epi16(d, d);
  }
};
struct DotStep {
  static inline __m256i pairs(__m256i q, __m256i x) { return _mm256_maddubs_epi16(x, q); }
};

inline void prefetch_row(const std::uint8_t* row, std::size_t length) {
  for (std::size_t i = 0; i < length; i += 64) _mm_prefetch(reinterpret_cast<const char*>(row + i), _MM_HINT_T0);
}

// Four rows at a time: one load of the query serves four rows, and the four sums are reduced together.
template <class Step>
inline void code_distances(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  const auto row = [&](std::size_t r) { return batch.base + static_cast<std::size_t>(batch.rows[r]) * batch.stride; };
  const std::size_t n = batch.length, count = batch.count;
  const std::size_t ahead = batch.prefetch ? count : 0;  // rows that may be sent for
  for (std::size_t r = 0; r < kPrefetchRows && r < ahead; ++r) prefetch_row(row(r), n);
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    for (std::size_t p = r + kPrefetchRows; p < r + kPrefetchRows + 4 && p < ahead; ++p) prefetch_row(row(p), n);
    const std::uint8_t *x0 = row(r), *x1 = row(r + 1), *x2 = row(r + 2), *x3 = row(r + 3);
    __m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
    for (std::size_t i = 0; i < n; i += 32) {
      const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + i));
      const auto step = [&](const std::uint8_t* x, __m256i a) {
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
        return _mm256_add_epi32(a, _mm256_madd_epi16(Step::pairs(y, v), ones));
      };
      a0 = step(x0, a0);
      a1 = step(x1, a1);
      a2 = step(x2, a2);
      a3 = step(x3, a3);
    }
    const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a0, a1), _mm256_hadd_epi32(a2, a3));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + r),
                     _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1)));
  }
  for (; r < count; ++r) {
    const std::uint8_t* x = row(r);
    __m256i a = _mm256_setzero_si256();
    for (std::size_t i = 0; i < n; i += 32) {
      const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + i));
      const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
      a = _mm256_add_epi32(a, _mm256_madd_epi16(Step::pairs(y, v), ones));
    }
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
    out[r] = _mm_cvtsi128_si32(s);
  }
}

void l2_codes(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_distances<L2Step>(q, batch, out);
}
void dot_codes(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_distances<DotStep>(reinterpret_cast<const std::uint8_t*>(q), batch, out);
}

void f16_from_f32(const float* in, std::uint16_t* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  for (; i < n; ++i) out[i] = _cvtss_sh(in[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

void f32_from_f16(const std::uint16_t* in, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, load_row(in + i));
  for (; i < n; ++i) out[i] = load_one(in + i);
}

}  // namespace

const Kernels& avx2_kernels() {
  static const Kernels table{"avx2",   l2_f32,    dot_f32,      l2_f16,      dot_f16,
                             l2_codes, dot_codes, f16_from_f32, f32_from_f16};
  return table;
}

}  // namespace nestor::index::simd
