// Scan kernels for AVX-512 (F, BW, VL, VNNI): a group of sixteen rows fills one register, dpbusd adds four products to
// each row's sum. Built with the -m flags of avx512.cpp; entered only where the processor has them.
#include <immintrin.h>

#include "index/simd/scan_kernels.h"

namespace nestor::index::simd {
namespace {

constexpr std::size_t kPrefetchRows = 16;

// Sixteen rows, four code bytes each, one unit a lane.
inline __m512i gather_units(const CodeBatch& batch, __m512i offsets, __mmask16 present, std::size_t byte) {
  return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), present, offsets, batch.base + byte, 1);
}

// Rows further apart than 31 bits: one by one.
inline __m512i collect_units(const CodeBatch& batch, std::size_t first, std::size_t count, std::size_t byte) {
  alignas(64) std::uint32_t units[kGroup] = {};
  for (std::size_t i = 0; i < count; ++i)
    __builtin_memcpy(units + i, batch.base + static_cast<std::size_t>(batch.rows[first + i]) * batch.stride + byte, 4);
  return _mm512_load_si512(units);
}

void pack(const CodeBatch& batch, std::uint8_t* packed, std::size_t group_stride, std::int32_t* bias) {
  const __m512i middle = _mm512_set1_epi8(-128);
  for (std::size_t r = 0; r < batch.count; r += kGroup) {
    const std::size_t n = batch.count - r < kGroup ? batch.count - r : kGroup;
    const auto present = static_cast<__mmask16>((1u << n) - 1);
    alignas(64) std::uint32_t offsets[kGroup] = {};
    bool near = true;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t offset = static_cast<std::size_t>(batch.rows[r + i]) * batch.stride;
      near = near && offset + batch.length < (std::size_t{1} << 31);
      offsets[i] = static_cast<std::uint32_t>(offset);
      if (batch.prefetch && r + i + kPrefetchRows < batch.count) {
        const std::uint8_t* next =
            batch.base + static_cast<std::size_t>(batch.rows[r + i + kPrefetchRows]) * batch.stride;
        for (std::size_t b = 0; b < batch.length; b += 64)
          _mm_prefetch(reinterpret_cast<const char*>(next + b), _MM_HINT_T0);
      }
    }
    const __m512i at = _mm512_load_si512(offsets);
    std::uint8_t* group = packed + r / kGroup * group_stride;
    __m512i sum = _mm512_maskz_loadu_epi32(present, bias + r);
    for (std::size_t j = 0; j < batch.length; j += 4) {
      const __m512i units = near ? gather_units(batch, at, present, j) : collect_units(batch, r, n, j);
      _mm512_storeu_si512(group + j * kGroup, units);
      sum = _mm512_dpbusd_epi32(sum, units, _mm512_xor_si512(units, middle));
    }
    _mm512_mask_storeu_epi32(bias + r, present, sum);
  }
}

// `groups` groups against `n` queries.
template <int groups, int n>
inline void tile(const ScanBlock& block, std::size_t group, std::size_t query, std::int32_t* out,
                 std::size_t key_stride) {
  const std::uint8_t* c = block.packed + group * block.group_stride;
  const std::int8_t* q = block.queries + query * block.query_stride;
  __m512i sums[groups][n];
  for (int g = 0; g < groups; ++g)
    for (int x = 0; x < n; ++x) sums[g][x] = _mm512_setzero_si512();
  for (std::size_t j = 0; j < block.length; j += 4) {
    __m512i units[groups];
    for (int g = 0; g < groups; ++g)
      units[g] = _mm512_loadu_si512(c + static_cast<std::size_t>(g) * block.group_stride + j * kGroup);
    for (int x = 0; x < n; ++x) {
      std::int32_t four;
      __builtin_memcpy(&four, q + static_cast<std::size_t>(x) * block.query_stride + j, sizeof four);
      const __m512i y = _mm512_set1_epi32(four);
      for (int g = 0; g < groups; ++g) sums[g][x] = _mm512_dpbusd_epi32(sums[g][x], units[g], y);
    }
  }
  for (int g = 0; g < groups; ++g) {
    const std::size_t row = (group + static_cast<std::size_t>(g)) * kGroup;
    const __m512i bias = _mm512_loadu_si512(block.bias + row);
    for (int x = 0; x < n; ++x)
      _mm512_storeu_si512(out + (query + static_cast<std::size_t>(x)) * key_stride + row,
                          _mm512_sub_epi32(bias, _mm512_slli_epi32(sums[g][x], 1)));
  }
}

void keys(const ScanBlock& block, std::int32_t* out, std::size_t key_stride) {
  std::size_t g = 0;
  for (; g + 2 <= block.groups; g += 2) {
    std::size_t q = 0;
    for (; q + 8 <= block.query_count; q += 8) tile<2, 8>(block, g, q, out, key_stride);
    for (; q < block.query_count; ++q) tile<2, 1>(block, g, q, out, key_stride);
  }
  for (; g < block.groups; ++g) {
    std::size_t q = 0;
    for (; q + 8 <= block.query_count; q += 8) tile<1, 8>(block, g, q, out, key_stride);
    for (; q < block.query_count; ++q) tile<1, 1>(block, g, q, out, key_stride);
  }
}

std::size_t at_most(const std::int32_t* keys, std::size_t count, std::int32_t limit, std::uint32_t* positions) {
  const __m512i bound = _mm512_set1_epi32(limit);
  const __m512i ascending = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  std::size_t n = 0;
  for (std::size_t i = 0; i < count; i += 16) {
    const auto inside = static_cast<__mmask16>(count - i >= 16 ? 0xFFFFu : (1u << (count - i)) - 1);
    const __mmask16 found = _mm512_mask_cmple_epi32_mask(inside, _mm512_maskz_loadu_epi32(inside, keys + i), bound);
    if (found == 0) continue;
    _mm512_mask_compressstoreu_epi32(positions + n, found,
                                     _mm512_add_epi32(ascending, _mm512_set1_epi32(static_cast<int>(i))));
    n += static_cast<std::size_t>(__builtin_popcount(found));
  }
  return n;
}

}  // namespace

const ScanKernels& avx512_scan_kernels() {
  static const ScanKernels table{"avx512", pack, keys, at_most};
  return table;
}

}  // namespace nestor::index::simd
