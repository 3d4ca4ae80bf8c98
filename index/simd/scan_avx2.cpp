// Scan kernels for AVX2. Built with the -m flags of avx2.cpp; entered only where the processor has them.
#include <immintrin.h>

#include "index/simd/scan_kernels.h"

namespace nestor::index::simd {
namespace {

constexpr std::size_t kPrefetchRows = 16;

inline __m256i load(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline void store(std::uint8_t* p, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }

// Four code bytes are one unit: an 8 x 8 transposition of units, in place.
inline void transpose(__m256i (&r)[8]) {
  __m256i t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  __m256i u[8];
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
  }
}

// Packs eight rows into one half of a group and returns their shares of the bias.
inline __m256i pack_half(const std::uint8_t* const (&rows)[8], std::size_t length, std::uint8_t* half) {
  const __m256i ones = _mm256_set1_epi16(1), top = _mm256_set1_epi8(-128);
  __m256i bias = _mm256_setzero_si256();
  for (std::size_t j = 0; j < length; j += 32) {
    __m256i v[8];
    for (int i = 0; i < 8; ++i) v[i] = load(rows[i] + j);
    transpose(v);
    for (int i = 0; i < 8; i += 4) {  // c * (c - 128) >= -4096: four pair sums fit 16 bits
      __m256i sum = _mm256_setzero_si256();
      for (int k = i; k < i + 4; ++k) {
        store(half + (j + 4 * static_cast<std::size_t>(k)) * kGroup, v[k]);
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(v[k], _mm256_xor_si256(v[k], top)));
      }
      bias = _mm256_add_epi32(bias, _mm256_madd_epi16(sum, ones));
    }
  }
  return bias;
}

void pack(const CodeBatch& batch, std::uint8_t* packed, std::size_t group_stride, std::int32_t* bias) {
  alignas(32) static constexpr std::uint8_t kZeros[32] = {};
  const auto row = [&](std::size_t r) { return batch.base + static_cast<std::size_t>(batch.rows[r]) * batch.stride; };
  for (std::size_t r = 0; r < batch.count; r += 8) {
    std::uint8_t* half = packed + r / kGroup * group_stride + r % kGroup * 4;
    const std::uint8_t* rows[8];
    if (r + 8 <= batch.count) {
      for (std::size_t p = r + kPrefetchRows; batch.prefetch && p < r + kPrefetchRows + 8 && p < batch.count; ++p)
        for (std::size_t b = 0; b < batch.length; b += 64)
          _mm_prefetch(reinterpret_cast<const char*>(row(p) + b), _MM_HINT_T0);
      for (std::size_t i = 0; i < 8; ++i) rows[i] = row(r + i);
      auto* target = reinterpret_cast<__m256i*>(bias + r);
      _mm256_storeu_si256(target, _mm256_add_epi32(_mm256_loadu_si256(target), pack_half(rows, batch.length, half)));
      continue;
    }
    alignas(32) std::int32_t share[8];
    for (std::size_t j = 0; j < batch.length; j += 32) {
      for (std::size_t i = 0; i < 8; ++i) rows[i] = r + i < batch.count ? row(r + i) + j : kZeros;
      _mm256_store_si256(reinterpret_cast<__m256i*>(share), pack_half(rows, 32, half + j * kGroup));
      for (std::size_t i = 0; r + i < batch.count; ++i) bias[r + i] += share[i];
    }
  }
  const std::size_t padded = (batch.count + kGroup - 1) / kGroup * kGroup;
  if ((batch.count + 7) / 8 * 8 == padded) return;
  std::uint8_t* half = packed + (padded - 8) / kGroup * group_stride + 8 * 4;
  for (std::size_t j = 0; j < batch.length; j += 4) store(half + j * kGroup, _mm256_setzero_si256());
}

inline __m256i four_bytes(const std::int8_t* p) {
  return _mm256_set1_epi32(*reinterpret_cast<const std::int32_t __attribute__((may_alias, aligned(1)))*>(p));
}

// Sixteen rows against `n` queries: two maddubs are added before they are widened.
template <int n>
inline void tile(const std::uint8_t* group, const std::int8_t* queries, std::size_t query_stride, std::size_t length,
                 const std::int32_t* bias, std::int32_t* out, std::size_t key_stride) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i low[n], high[n];
  for (int x = 0; x < n; ++x) low[x] = high[x] = _mm256_setzero_si256();
  for (std::size_t j = 0; j < length; j += 8) {
    const std::uint8_t* c = group + j * kGroup;
    const __m256i c0 = load(c), d0 = load(c + 32), c1 = load(c + 64), d1 = load(c + 96);
    for (int x = 0; x < n; ++x) {
      const std::int8_t* q = queries + static_cast<std::size_t>(x) * query_stride + j;
      const __m256i q0 = four_bytes(q), q1 = four_bytes(q + 4);
      const __m256i s = _mm256_add_epi16(_mm256_maddubs_epi16(c0, q0), _mm256_maddubs_epi16(c1, q1));
      const __m256i t = _mm256_add_epi16(_mm256_maddubs_epi16(d0, q0), _mm256_maddubs_epi16(d1, q1));
      low[x] = _mm256_add_epi32(low[x], _mm256_madd_epi16(s, ones));
      high[x] = _mm256_add_epi32(high[x], _mm256_madd_epi16(t, ones));
    }
  }
  const __m256i b0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias));
  const __m256i b1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias + 8));
  for (int x = 0; x < n; ++x) {
    auto* target = reinterpret_cast<__m256i*>(out + static_cast<std::size_t>(x) * key_stride);
    _mm256_storeu_si256(target, _mm256_sub_epi32(b0, _mm256_slli_epi32(low[x], 1)));
    _mm256_storeu_si256(target + 1, _mm256_sub_epi32(b1, _mm256_slli_epi32(high[x], 1)));
  }
}

void keys(const ScanBlock& block, std::int32_t* out, std::size_t key_stride) {
  for (std::size_t g = 0; g < block.groups; ++g) {
    const std::uint8_t* group = block.packed + g * block.group_stride;
    const std::int32_t* bias = block.bias + g * kGroup;
    std::int32_t* target = out + g * kGroup;
    std::size_t q = 0;
    for (; q + 4 <= block.query_count; q += 4)
      tile<4>(group, block.queries + q * block.query_stride, block.query_stride, block.length, bias,
              target + q * key_stride, key_stride);
    for (; q < block.query_count; ++q)
      tile<1>(group, block.queries + q * block.query_stride, block.query_stride, block.length, bias,
              target + q * key_stride, key_stride);
  }
}

std::size_t at_most(const std::int32_t* keys, std::size_t count, std::int32_t limit, std::uint32_t* positions) {
  const __m256i bound = _mm256_set1_epi32(limit);
  std::size_t n = 0, i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i above = _mm256_cmpgt_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(keys + i)), bound);
    unsigned found = ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(above))) & 0xFFu;
    for (; found != 0; found &= found - 1)
      positions[n++] = static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(found));
  }
  for (; i < count; ++i)
    if (keys[i] <= limit) positions[n++] = static_cast<std::uint32_t>(i);
  return n;
}

}  // namespace

const ScanKernels& avx2_scan_kernels() {
  static const ScanKernels table{"avx2", pack, keys, at_most};
  return table;
}

}  // namespace nestor::index::simd
