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
inline __m512 load_row(const std::uint16_t* x, __mmask16 m) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, x)); }

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

struct L2Step {
  static inline __m512i add(__m512i sum, __m512i q, __m512i x) {
    const __m512i d = _mm512_abs_epi8(_mm512_sub_epi8(q, x));
    return _mm512_dpbusd_epi32(sum, d, d);
  }
};
struct DotStep {
  static inline __m512i add(__m512i sum, __m512i q, __m512i x) { return _mm512_dpbusd_epi32(sum, x, q); }
};

constexpr __mmask64 kFirst32 = 0xFFFFFFFFull;
constexpr __mmask32 kFirst16 = 0xFFFFu;

// Nibbles of 32 bytes (two blocks, or one and zeros): the low ones of both blocks, then the high ones.
inline __m512i spread_nibbles(__m256i v) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(v), _mm256_srli_epi16(v, 4), 1);
}
inline __m512i leading(__m256i v) {
  return _mm512_and_si512(_mm512_slli_epi16(spread_nibbles(v), 3), _mm512_set1_epi8(0x78));
}
inline __m512i nibbles(__m256i v) { return _mm512_and_si512(spread_nibbles(v), _mm512_set1_epi8(15)); }
inline __m512i nibble_order(__m512i q) { return _mm512_shuffle_i64x2(q, q, _MM_SHUFFLE(3, 1, 2, 0)); }

// How codes lie in memory: query() brings 64 query codes (of the last 32 and zeros) into the order in which codes()
// gives a row's. `mask` tells how many there are.
struct Whole {
  static constexpr std::size_t kCodesPerByte = 1;
  static __m512i query(__mmask64 mask, const std::uint8_t* q) { return _mm512_maskz_loadu_epi8(mask, q); }
  static __m512i codes(__mmask64 mask, const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    return _mm512_maskz_loadu_epi8(mask, row + i);
  }
};
struct Coarse {
  static constexpr std::size_t kCodesPerByte = 2;
  static __mmask32 bytes(__mmask64 mask) { return mask == kFirst32 ? kFirst16 : 0xFFFFFFFFu; }
  static __m512i query(__mmask64 mask, const std::uint8_t* q) { return nibble_order(_mm512_maskz_loadu_epi8(mask, q)); }
  static __m512i codes(__mmask64 mask, const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    const __m512i middle = nibble_order(_mm512_maskz_set1_epi8(mask, 4));
    return _mm512_or_si512(leading(_mm256_maskz_loadu_epi8(bytes(mask), row + i / 2)), middle);
  }
};
struct Split : Coarse {
  static __m512i codes(__mmask64 mask, const std::uint8_t* row, const std::uint8_t* trailing, std::size_t i) {
    return _mm512_or_si512(leading(_mm256_maskz_loadu_epi8(bytes(mask), row + i / 2)),
                           nibbles(_mm256_maskz_loadu_epi8(bytes(mask), trailing + i / 2)));
  }
};

inline void prefetch_row(const CodeBatch& batch, std::size_t r, std::size_t bytes) {
  const std::size_t at = static_cast<std::size_t>(batch.rows[r]) * batch.stride;
  for (std::size_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(batch.base + at + i), _MM_HINT_T0);
    if (batch.trailing != nullptr) _mm_prefetch(reinterpret_cast<const char*>(batch.trailing + at + i), _MM_HINT_T0);
  }
}

// Lane sums of four vectors at once.
inline __m128i reduce4(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

// kRows rows at a time: one load of the query serves them all.
template <class Source, class Step, std::size_t kRows>
inline void sum_rows(const std::uint8_t* q, const CodeBatch& batch, std::size_t first, __m512i* sums) {
  const std::uint8_t *rows[kRows], *trailing[kRows];
  for (std::size_t j = 0; j < kRows; ++j) {
    const std::size_t at = static_cast<std::size_t>(batch.rows[first + j]) * batch.stride;
    rows[j] = batch.base + at;
    trailing[j] = batch.trailing == nullptr ? nullptr : batch.trailing + at;
    sums[j] = _mm512_setzero_si512();
  }
  for (std::size_t i = 0; i < batch.length; i += 64) {
    const __mmask64 mask = batch.length - i >= 64 ? ~__mmask64{0} : kFirst32;
    const __m512i y = Source::query(mask, q + i);
    for (std::size_t j = 0; j < kRows; ++j)
      sums[j] = Step::add(sums[j], y, Source::codes(mask, rows[j], trailing[j], i));
  }
}

template <class Source, class Step>
inline void code_sums(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  const std::size_t bytes = batch.length / Source::kCodesPerByte;
  const std::size_t ahead = batch.prefetch ? batch.count : 0;  // rows that may be sent for
  for (std::size_t r = 0; r < kPrefetchRows && r < ahead; ++r) prefetch_row(batch, r, bytes);
  __m512i s[4];
  std::size_t r = 0;
  for (; r + 4 <= batch.count; r += 4) {
    for (std::size_t p = r + kPrefetchRows; p < r + kPrefetchRows + 4 && p < ahead; ++p) prefetch_row(batch, p, bytes);
    sum_rows<Source, Step, 4>(q, batch, r, s);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + r), reduce4(s[0], s[1], s[2], s[3]));
  }
  for (; r < batch.count; ++r) {
    sum_rows<Source, Step, 1>(q, batch, r, s);
    out[r] = _mm512_reduce_add_epi32(s[0]);
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
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < n; i += 64) {
    const __mmask64 mask = n - i >= 64 ? ~__mmask64{0} : kFirst32;
    sum = L2Step::add(sum, _mm512_maskz_loadu_epi8(mask, a + i), _mm512_maskz_loadu_epi8(mask, b + i));
  }
  return _mm512_reduce_add_epi32(sum);
}

// kVectors * 16 columns at a time stay in registers over all rows.
template <std::size_t kVectors>
inline void add_columns(const WeightedRows& rows, float* out, std::size_t first, __mmask16 mask) {
  __m512 sums[kVectors];
  for (std::size_t j = 0; j < kVectors; ++j) sums[j] = _mm512_maskz_loadu_ps(mask, out + first + 16 * j);
  for (std::size_t r = 0; r < rows.count; ++r) {
    const float* row = rows.matrix + rows.rows[r] * rows.stride + first;
    const __m512 weight = _mm512_set1_ps(rows.weights[r]);
    for (std::size_t j = 0; j < kVectors; ++j)
      sums[j] = _mm512_fmadd_ps(weight, _mm512_maskz_loadu_ps(mask, row + 16 * j), sums[j]);
  }
  for (std::size_t j = 0; j < kVectors; ++j) _mm512_mask_storeu_ps(out + first + 16 * j, mask, sums[j]);
}

void add_rows(const WeightedRows& rows, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 128 <= n; i += 128) add_columns<8>(rows, out, i, 0xFFFF);
  for (; i < n; i += 16)
    add_columns<1>(rows, out, i, n - i >= 16 ? __mmask16{0xFFFF} : static_cast<__mmask16>((1u << (n - i)) - 1));
}

void f16_from_f32(const float* in, std::uint16_t* out, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 m = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    _mm256_mask_storeu_epi16(
        out + i, m, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(m, in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
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
  static const Kernels table{"avx512",   l2_f32,      dot_f32,   l2_f16,     dot_f16,      l2<Whole>,   dot<Whole>,
                             l2<Coarse>, dot<Coarse>, l2<Split>, dot<Split>, l2_code_pair, add_rows, f16_from_f32, f32_from_f16};
  return table;
}

}  // namespace nestor::index::simd
