// AVX2 + FMA + F16C kernels. Built with -mavx2 -mfma -mf16c; entered only where the processor has them.
#include <immintrin.h>

#include <cstdint>

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

// 64 codes, or 32 codes and 32 zeros.
struct Codes {
  __m256i a, b;
};

inline __m256i load32(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline __m256i load16(const std::uint8_t* p) {
  return _mm256_zextsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// The order in which two blocks of nibbles give their codes: the low nibbles of both, then the high ones.
inline Codes nibble_order(__m256i first, __m256i second) {
  return {_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31)};
}
// Leading bits at their place in a code: the low nibbles, the high nibbles.
inline Codes leading(__m256i v) {
  const __m256i mask = _mm256_set1_epi8(0x78);
  return {_mm256_and_si256(_mm256_slli_epi16(v, 3), mask), _mm256_and_si256(_mm256_srli_epi16(v, 1), mask)};
}
inline Codes nibbles(__m256i v) {
  const __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(v, mask), _mm256_and_si256(_mm256_srli_epi16(v, 4), mask)};
}
inline Codes combine(Codes x, Codes y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }

// How codes lie in memory: query() brings 64 (or the last 32) query codes into the order in which codes() gives a
// row's.
struct Whole {
  static constexpr std::size_t kCodesPerByte = 1;
  static Codes query(const std::uint8_t* q) { return {load32(q), load32(q + 32)}; }
  static Codes last_query(const std::uint8_t* q) { return {load32(q), _mm256_setzero_si256()}; }
  static Codes codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    return {load32(row + i), load32(row + i + 32)};
  }
  static Codes last_codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    return {load32(row + i), _mm256_setzero_si256()};
  }
};
struct Nibbles {  // leading bits as they are, 0..15
  static constexpr std::size_t kCodesPerByte = 2;
  static Codes query(const std::uint8_t* q) { return nibble_order(load32(q), load32(q + 32)); }
  static Codes last_query(const std::uint8_t* q) { return nibble_order(load32(q), _mm256_setzero_si256()); }
  static Codes codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    return nibbles(load32(row + i / 2));
  }
  static Codes last_codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    return nibbles(load16(row + i / 2));
  }
};
struct Coarse : Nibbles {
  static Codes middle() { return {_mm256_set1_epi8(4), _mm256_set1_epi8(4)}; }
  static Codes codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    return combine(leading(load32(row + i / 2)), middle());
  }
  static Codes last_codes(const std::uint8_t* row, const std::uint8_t*, std::size_t i) {
    const __m256i half = _mm256_zextsi128_si256(_mm_set1_epi8(4));
    return combine(leading(load16(row + i / 2)), {half, half});
  }
};
struct Split : Nibbles {
  static Codes codes(const std::uint8_t* row, const std::uint8_t* trailing, std::size_t i) {
    return combine(leading(load32(row + i / 2)), nibbles(load32(trailing + i / 2)));
  }
  static Codes last_codes(const std::uint8_t* row, const std::uint8_t* trailing, std::size_t i) {
    return combine(leading(load16(row + i / 2)), nibbles(load16(trailing + i / 2)));
  }
};

// Pair sums of code products fit 16 bits: codes are at most 127, and 2 * 127 * 127 < 2^15.
inline __m256i widen(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

// One step of a sum over 64 codes; total() makes 32-bit sums of what add() collects over at most kMost steps.
struct L2Step {
  static constexpr std::size_t kMost = SIZE_MAX;
  static __m256i squares(__m256i q, __m256i x) {
    const __m256i d = _mm256_abs_epi8(_mm256_sub_epi8(q, x));
    return widen(_mm256_maddubs_epi16(d, d));
  }
  static __m256i add(__m256i sum, Codes q, Codes x) {
    return _mm256_add_epi32(sum, _mm256_add_epi32(squares(q.a, x.a), squares(q.b, x.b)));
  }
  static __m256i total(__m256i sum) { return sum; }
};
struct DotStep {
  static constexpr std::size_t kMost = SIZE_MAX;
  static __m256i add(__m256i sum, Codes q, Codes x) {
    return _mm256_add_epi32(
        sum, _mm256_add_epi32(widen(_mm256_maddubs_epi16(x.a, q.a)), widen(_mm256_maddubs_epi16(x.b, q.b))));
  }
  static __m256i total(__m256i sum) { return sum; }
};
struct NibbleDotStep {  // x at most 15: eight pair sums still fit 16 bits, 8 * 2 * 15 * 127 < 2^15
  static constexpr std::size_t kMost = 4;
  static __m256i add(__m256i sum, Codes q, Codes x) {
    return _mm256_add_epi16(sum, _mm256_add_epi16(_mm256_maddubs_epi16(x.a, q.a), _mm256_maddubs_epi16(x.b, q.b)));
  }
  static __m256i total(__m256i sum) { return widen(sum); }
};

inline int horizontal_sum(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
  return _mm_cvtsi128_si32(s);
}

inline void prefetch_row(const CodeBatch& batch, std::size_t r, std::size_t bytes) {
  const std::size_t at = static_cast<std::size_t>(batch.rows[r]) * batch.stride;
  for (std::size_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(batch.base + at + i), _MM_HINT_T0);
    if (batch.trailing != nullptr) _mm_prefetch(reinterpret_cast<const char*>(batch.trailing + at + i), _MM_HINT_T0);
  }
}

// Where a row's codes begin, and its trailing bits; whole codes have none and read none.
struct RowCodes {
  RowCodes(const CodeBatch& batch, std::uint32_t row) {
    const std::size_t at = static_cast<std::size_t>(row) * batch.stride;
    codes = batch.base + at;
    trailing = batch.trailing == nullptr ? nullptr : batch.trailing + at;
  }
  const std::uint8_t *codes, *trailing;
};

// The sum over a row of kSteps * 64 codes, the query in the order of the row's codes.
template <class Source, class Step, std::size_t kSteps>
inline __m256i short_sum(const Codes* query, const CodeBatch& batch, std::uint32_t row) {
  static_assert(kSteps <= Step::kMost);
  const RowCodes at(batch, row);
  __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kSteps; ++i) sum = Step::add(sum, query[i], Source::codes(at.codes, at.trailing, 64 * i));
  return Step::total(sum);
}

// The same over any number of codes, by runs of as many steps as Step::total allows.
template <class Source, class Step>
inline __m256i long_sum(const std::uint8_t* q, const CodeBatch& batch, std::uint32_t row) {
  const RowCodes at(batch, row);
  __m256i sum = _mm256_setzero_si256();
  std::size_t i = 0;
  while (i + 64 <= batch.length) {
    __m256i run = _mm256_setzero_si256();
    for (std::size_t step = 0; step < Step::kMost && i + 64 <= batch.length; ++step, i += 64)
      run = Step::add(run, Source::query(q + i), Source::codes(at.codes, at.trailing, i));
    sum = _mm256_add_epi32(sum, Step::total(run));
  }
  if (i == batch.length) return sum;
  const __m256i half =
      Step::add(_mm256_setzero_si256(), Source::last_query(q + i), Source::last_codes(at.codes, at.trailing, i));
  return _mm256_add_epi32(sum, Step::total(half));
}

// Four rows at a time, the last row again and again where fewer are left: it is at hand, and a row alone costs as much
// as three.
template <class RowSum>
inline void sum_by_fours(const CodeBatch& batch, std::size_t bytes, RowSum row_sum, std::int32_t* out) {
  const std::size_t ahead = batch.prefetch ? batch.count : 0;  // rows that may be sent for
  for (std::size_t r = 0; r < kPrefetchRows && r < ahead; ++r) prefetch_row(batch, r, bytes);
  const std::uint32_t* const rows = batch.rows;
  const std::size_t count = batch.count;
  const auto row = [&](std::size_t r) { return rows[r < count ? r : count - 1]; };
  for (std::size_t r = 0; r < count; r += 4) {
    for (std::size_t p = r + kPrefetchRows; p < r + kPrefetchRows + 4 && p < ahead; ++p) prefetch_row(batch, p, bytes);
    const __m256i first = _mm256_hadd_epi32(row_sum(row(r)), row_sum(row(r + 1)));
    const __m256i four = _mm256_hadd_epi32(first, _mm256_hadd_epi32(row_sum(row(r + 2)), row_sum(row(r + 3))));
    const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    if (r + 4 <= count) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + r), sums);
    } else {
      alignas(16) std::int32_t few[4];
      _mm_store_si128(reinterpret_cast<__m128i*>(few), sums);
      for (std::size_t i = r; i < count; ++i) out[i] = few[i - r];
    }
  }
}

template <class Source, class Step, std::size_t kSteps>
inline void short_sums(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  Codes query[kSteps];
  for (std::size_t i = 0; i < kSteps; ++i) query[i] = Source::query(q + 64 * i);
  sum_by_fours(
      batch, batch.length / Source::kCodesPerByte,
      [&](std::uint32_t row) { return short_sum<Source, Step, kSteps>(query, batch, row); }, out);
}

// What walks compare, a few cache lines, has unrolled loops.
template <class Source, class Step>
inline void code_sums(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  if (batch.length == 256) return short_sums<Source, Step, 4>(q, batch, out);
  if (batch.length == 128) return short_sums<Source, Step, 2>(q, batch, out);
  sum_by_fours(
      batch, batch.length / Source::kCodesPerByte,
      [&](std::uint32_t row) { return long_sum<Source, Step>(q, batch, row); }, out);
}

template <class Source>
void l2(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_sums<Source, L2Step>(q, batch, out);
}
template <class Source>
void dot(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out) {
  code_sums<Source, DotStep>(reinterpret_cast<const std::uint8_t*>(q), batch, out);
}
// q * (8 n + 4) summed is 8 (q * n summed) + 4 (q summed).
void dot_coarse(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out) {
  const auto* codes = reinterpret_cast<const std::uint8_t*>(q);
  code_sums<Nibbles, NibbleDotStep>(codes, batch, out);
  __m256i sum = _mm256_setzero_si256();
  for (std::size_t i = 0; i < batch.length; i += 32)
    sum = _mm256_add_epi32(sum, widen(_mm256_maddubs_epi16(_mm256_set1_epi8(1), load32(codes + i))));
  const std::int32_t middle = 4 * horizontal_sum(sum);
  for (std::size_t r = 0; r < batch.count; ++r) out[r] = 8 * out[r] + middle;
}

std::int32_t l2_code_pair(const std::uint8_t* a, const std::uint8_t* b, std::size_t n) {
  __m256i first = _mm256_setzero_si256(), second = first;
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    first = _mm256_add_epi32(first, L2Step::squares(load32(a + i), load32(b + i)));
    second = _mm256_add_epi32(second, L2Step::squares(load32(a + i + 32), load32(b + i + 32)));
  }
  if (i < n) first = _mm256_add_epi32(first, L2Step::squares(load32(a + i), load32(b + i)));
  return horizontal_sum(_mm256_add_epi32(first, second));
}

// kVectors * 8 columns at a time stay in registers over all rows.
template <std::size_t kVectors>
inline void add_columns(const WeightedRows& rows, float* out, std::size_t first) {
  __m256 sums[kVectors];
  for (std::size_t j = 0; j < kVectors; ++j) sums[j] = _mm256_loadu_ps(out + first + 8 * j);
  for (std::size_t r = 0; r < rows.count; ++r) {
    const float* row = rows.matrix + rows.rows[r] * rows.stride + first;
    const __m256 weight = _mm256_set1_ps(rows.weights[r]);
    for (std::size_t j = 0; j < kVectors; ++j) sums[j] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(row + 8 * j), sums[j]);
  }
  for (std::size_t j = 0; j < kVectors; ++j) _mm256_storeu_ps(out + first + 8 * j, sums[j]);
}

void add_rows(const WeightedRows& rows, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) add_columns<8>(rows, out, i);
  for (; i + 8 <= n; i += 8) add_columns<1>(rows, out, i);
  for (; i < n; ++i)
    for (std::size_t r = 0; r < rows.count; ++r)
      out[i] += rows.weights[r] * rows.matrix[rows.rows[r] * rows.stride + i];
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
  static const Kernels table{"avx2",     l2_f32,       dot_f32,    l2_f16,       dot_f16,
                             l2<Whole>,  dot<Whole>,   l2<Coarse>, dot_coarse,   l2<Split>,
                             dot<Split>, l2_code_pair, add_rows,   f16_from_f32, f32_from_f16};
  return table;
}

}  // namespace nestor::index::simd
