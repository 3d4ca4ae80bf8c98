// AVX-512 (F, BW, VL, VNNI) kernels. Built with the matching -m flags; entered only where the processor has them.
#include <immintrin.h>

#include "index/simd/kernels.h"

namespace nestor::index::simd {
namespace {

constexpr std::size_t kPrefetchRows = 8;

inline __m512 load_row(const float* x) { return _mm512_loadu_ps(x); }
inline __m512 load_row(const std::uint16_t* x) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
}
inline __m512 load_row(const float* x, __mmask16 m) { return _mm512_maskz_loadu_ps(m, x); }
inline __m512 load_row(const std::uint16_t* x, __mmask16 m) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, x));
}

// One step of a sum: squared difference or product.
struct SquareStep {
  static inline __m512 add(__m512 sum, __m512 q, __m512 x) {
    const __m512 d = _mm512_sub_ps(q, x);
    return _mm512_fmadd_ps(d, d, sum);
  }
};
struct ProductStep {
  static inline __m512 add(__m512 sum, __m512 q, __m512 x) { return _mm512_fmadd_ps(q, x, sum); }
};

// Four sums side by side: with fewer, each waits for its own last addition.
template <class Step, class Scalar>
inline float float_sum(const float* q, const Scalar* x, std::size_t n) {
  __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    a = Step::add(a, _mm512_loadu_ps(q + i), load_row(x + i));
    b = Step::add(b, _mm512_loadu_ps(q + i + 16), load_row(x + i + 16));
    c = Step::add(c, _mm512_loadu_ps(q + i + 32), load_row(x + i + 32));
    d = Step::add(d, _mm512_loadu_ps(q + i + 48), load_row(x + i + 48));
  }
  for (; i < n; i += 16) {
    const __mmask16 m = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    a = Step::add(a, _mm512_maskz_loadu_ps(m, q + i), load_row(x + i, m));
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
}

float l2_f32(const float* q, const float* x, std::size_t n) { return float_sum<SquareStep>(q, x, n); }
float dot_f32(const float* q, const float* x, std::size_t n) { return float_sum<ProductStep>(q, x, n); }
float l2_f16(const float* q, const std::uint16_t* x, std::size_t n) { return float_sum<SquareStep>(q, x, n); }
float dot_f16(const float* q, const std::uint16_t* x, std::size_t n) { return float_sum<ProductStep>(q, x, n); }

// dpbusd: unsigned bytes times signed bytes, four products added into each 32-bit lane.
struct L2Step {
  static inline __m512i add(__m512i sum, __m512i q, __m512i x) {
    const __m512i d = _mm512_abs_epi8(_mm512_sub_epi8(q, x));
    return _mm512_dpbusd_epi32(sum, d, d);
  }
};
struct DotStep {
  static inline __m512i add(__m512i sum, __m512i q, __m512i x) { return _mm512_dpbusd_epi32(sum, x, q); }
};

inline void prefetch_row(const std::uint8_t* row, std::size_t length) {
  for (std::size_t i = 0; i < length; i += 64) _mm_prefetch(reinterpret_cast<const char*>(row + i), _MM_HINT_T0);
}

// Lane sums of four vectors at once.
inline __m128i reduce4(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

template <class Step>
inline void code_distances(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  const auto row = [&](std::size_t r) { return batch.base + static_cast<std::size_t>(batch.rows[r]) * batch.stride; };
  const std::size_t whole = batch.length & ~std::size_t{63}, count = batch.count;
  const bool half = batch.length != whole;  // 32 coordinates remain
  const __mmask64 half_mask = 0xFFFFFFFFull;
  const std::size_t ahead = batch.prefetch ? count : 0;  // rows that may be sent for
  for (std::size_t r = 0; r < kPrefetchRows && r < ahead; ++r) prefetch_row(row(r), batch.length);
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    for (std::size_t p = r + kPrefetchRows; p < r + kPrefetchRows + 4 && p < ahead; ++p)
      prefetch_row(row(p), batch.length);
    const std::uint8_t *x0 = row(r), *x1 = row(r + 1), *x2 = row(r + 2), *x3 = row(r + 3);
    __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0;
    for (std::size_t i = 0; i < whole; i += 64) {
      const __m512i y = _mm512_loadu_si512(q + i);
      a0 = Step::add(a0, y, _mm512_loadu_si512(x0 + i));
      a1 = Step::add(a1, y, _mm512_loadu_si512(x1 + i));
      a2 = Step::add(a2, y, _mm512_loadu_si512(x2 + i));
      a3 = Step::add(a3, y, _mm512_loadu_si512(x3 + i));
    }
    if (half) {
      const __m512i y = _mm512_maskz_loadu_epi8(half_mask, q + whole);
      a0 = Step::add(a0, y, _mm512_maskz_loadu_epi8(half_mask, x0 + whole));
      a1 = Step::add(a1, y, _mm512_maskz_loadu_epi8(half_mask, x1 + whole));
      a2 = Step::add(a2, y, _mm512_maskz_loadu_epi8(half_mask, x2 + whole));
      a3 = Step::add(a3, y, _mm512_maskz_loadu_epi8(half_mask, x3 + whole));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + r), reduce4(a0, a1, a2, a3));
  }
  for (; r < count; ++r) {
    const std::uint8_t* x = row(r);
    __m512i a = _mm512_setzero_si512();
    for (std::size_t i = 0; i < whole; i += 64)
      a = Step::add(a, _mm512_loadu_si512(q + i), _mm512_loadu_si512(x + i));
    if (half)
      a = Step::add(a, _mm512_maskz_loadu_epi8(half_mask, q + whole), _mm512_maskz_loadu_epi8(half_mask, x + whole));
    out[r] = _mm512_reduce_add_epi32(a);
  }
}

void l2_codes(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_distances<L2Step>(q, batch, out);
}
void dot_codes(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_distances<DotStep>(reinterpret_cast<const std::uint8_t*>(q), batch, out);
}

void f16_from_f32(const float* in, std::uint16_t* out, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 m = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    _mm256_mask_storeu_epi16(out + i, m,
                             _mm512_cvtps_ph(_mm512_maskz_loadu_ps(m, in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
}

void f32_from_f16(const std::uint16_t* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 m = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    _mm512_mask_storeu_ps(out + i, m, load_row(in + i, m));
  }
}

}  // namespace

const Kernels& avx512_kernels() {
  static const Kernels table{"avx512", l2_f32,    dot_f32,      l2_f16,      dot_f16,
                             l2_codes, dot_codes, f16_from_f32, f32_from_f16};
  return table;
}

}  // namespace nestor::index::simd
