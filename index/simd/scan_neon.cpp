// Scan kernels for NEON (every AArch64 processor has it). Codes are 0..127, so they are signed bytes as well.
#include <arm_neon.h>

#include "index/simd/scan_kernels.h"

namespace nestor::index::simd {
namespace {

constexpr std::size_t kPrefetchRows = 16;

// Four rows of 16 code bytes become four registers of four rows, four bytes of each.
inline void transpose(uint32x4_t (&r)[4]) {
  const uint32x4_t a = vzip1q_u32(r[0], r[2]), b = vzip2q_u32(r[0], r[2]);
  const uint32x4_t c = vzip1q_u32(r[1], r[3]), d = vzip2q_u32(r[1], r[3]);
  r[0] = vzip1q_u32(a, c);
  r[1] = vzip2q_u32(a, c);
  r[2] = vzip1q_u32(b, d);
  r[3] = vzip2q_u32(b, d);
}

// Packs four rows into a quarter of a group and returns their shares of the bias.
inline int32x4_t pack_quarter(const std::uint8_t* const (&rows)[4], std::size_t length, std::uint8_t* quarter) {
  const int8x16_t top = vdupq_n_s8(-128);
  int32x4_t low = vdupq_n_s32(0), high = low;
  for (std::size_t j = 0; j < length; j += 16) {
    uint32x4_t v[4];
    for (int i = 0; i < 4; ++i) v[i] = vreinterpretq_u32_u8(vld1q_u8(rows[i] + j));
    transpose(v);
    int16x8_t a = vdupq_n_s16(0), b = a;  // c * (c - 128) >= -4096: four of them fit 16 bits
    for (std::size_t i = 0; i < 4; ++i) {
      const int8x16_t c = vreinterpretq_s8_u32(v[i]);
      vst1q_u8(quarter + (j + 4 * i) * kGroup, vreinterpretq_u8_s8(c));
      const int8x16_t d = veorq_s8(c, top);
      a = vmlal_s8(a, vget_low_s8(c), vget_low_s8(d));
      b = vmlal_high_s8(b, c, d);
    }
    low = vpadalq_s16(low, a);
    high = vpadalq_s16(high, b);
  }
  return vpaddq_s32(low, high);
}

void pack(const CodeBatch& batch, std::uint8_t* packed, std::size_t group_stride, std::int32_t* bias) {
  static constexpr std::uint8_t kZeros[16] = {};
  const auto row = [&](std::size_t r) { return batch.base + static_cast<std::size_t>(batch.rows[r]) * batch.stride; };
  const std::size_t padded = (batch.count + kGroup - 1) / kGroup * kGroup;
  for (std::size_t r = 0; r < padded; r += 4) {
    std::uint8_t* quarter = packed + r / kGroup * group_stride + r % kGroup * 4;
    const std::uint8_t* rows[4];
    if (r + 4 <= batch.count) {
      for (std::size_t p = r + kPrefetchRows; batch.prefetch && p < r + kPrefetchRows + 4 && p < batch.count; ++p)
        for (std::size_t b = 0; b < batch.length; b += 64) __builtin_prefetch(row(p) + b);
      for (std::size_t i = 0; i < 4; ++i) rows[i] = row(r + i);
      vst1q_s32(bias + r, vaddq_s32(vld1q_s32(bias + r), pack_quarter(rows, batch.length, quarter)));
      continue;
    }
    std::int32_t share[4];
    for (std::size_t j = 0; j < batch.length; j += 16) {
      for (std::size_t i = 0; i < 4; ++i) rows[i] = r + i < batch.count ? row(r + i) + j : kZeros;
      vst1q_s32(share, pack_quarter(rows, 16, quarter + j * kGroup));
      for (std::size_t i = 0; r + i < batch.count; ++i) bias[r + i] += share[i];
    }
  }
}

// Four rows against `n` queries. Products are at most 127 * 64: four of them are added in 16 bits.
template <int n>
inline void tile(const std::uint8_t* quarter, const std::int8_t* queries, std::size_t query_stride, std::size_t length,
                 const std::int32_t* bias, std::int32_t* out, std::size_t key_stride) {
  int32x4_t low[n], high[n];
  for (int x = 0; x < n; ++x) low[x] = high[x] = vdupq_n_s32(0);
  for (std::size_t j = 0; j < length; j += 16) {
    int16x8_t a[n], b[n];
    for (int x = 0; x < n; ++x) a[x] = b[x] = vdupq_n_s16(0);
    for (std::size_t i = 0; i < 16; i += 4) {
      const int8x16_t c = vreinterpretq_s8_u8(vld1q_u8(quarter + (j + i) * kGroup));
      for (int x = 0; x < n; ++x) {
        std::int32_t four;
        __builtin_memcpy(&four, queries + static_cast<std::size_t>(x) * query_stride + j + i, sizeof four);
        const int8x16_t q = vreinterpretq_s8_s32(vdupq_n_s32(four));
        a[x] = vmlal_s8(a[x], vget_low_s8(c), vget_low_s8(q));
        b[x] = vmlal_high_s8(b[x], c, q);
      }
    }
    for (int x = 0; x < n; ++x) {
      low[x] = vpadalq_s16(low[x], a[x]);
      high[x] = vpadalq_s16(high[x], b[x]);
    }
  }
  const int32x4_t own = vld1q_s32(bias);
  for (int x = 0; x < n; ++x)
    vst1q_s32(out + static_cast<std::size_t>(x) * key_stride, vmlsq_n_s32(own, vpaddq_s32(low[x], high[x]), 2));
}

void keys(const ScanBlock& block, std::int32_t* out, std::size_t key_stride) {
  for (std::size_t r = 0; r < block.groups * kGroup; r += 4) {
    const std::uint8_t* quarter = block.packed + r / kGroup * block.group_stride + r % kGroup * 4;
    std::size_t q = 0;
    for (; q + 4 <= block.query_count; q += 4)
      tile<4>(quarter, block.queries + q * block.query_stride, block.query_stride, block.length, block.bias + r,
              out + q * key_stride + r, key_stride);
    for (; q < block.query_count; ++q)
      tile<1>(quarter, block.queries + q * block.query_stride, block.query_stride, block.length, block.bias + r,
              out + q * key_stride + r, key_stride);
  }
}

std::size_t at_most(const std::int32_t* keys, std::size_t count, std::int32_t limit, std::uint32_t* positions) {
  const int32x4_t bound = vdupq_n_s32(limit);
  std::size_t n = 0, i = 0;
  for (; i + 8 <= count; i += 8) {
    const uint32x4_t a = vcleq_s32(vld1q_s32(keys + i), bound), b = vcleq_s32(vld1q_s32(keys + i + 4), bound);
    if (vmaxvq_u32(vorrq_u32(a, b)) == 0) continue;  // nearly always
    for (std::size_t k = i; k < i + 8; ++k) {
      positions[n] = static_cast<std::uint32_t>(k);
      n += keys[k] <= limit;
    }
  }
  for (; i < count; ++i)
    if (keys[i] <= limit) positions[n++] = static_cast<std::uint32_t>(i);
  return n;
}

}  // namespace

const ScanKernels& neon_scan_kernels() {
  static const ScanKernels table{"neon", pack, keys, at_most};
  return table;
}

}  // namespace nestor::index::simd
