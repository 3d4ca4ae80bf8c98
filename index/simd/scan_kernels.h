#pragma once
// Kernels of a scan: the codes of many rows against many queries. One table per instruction set, as in kernels.h, and
// like there only raw pointers.
//
// Rows are packed kGroup at a time, so that a register holds four coordinates of several rows, each lane is a row's
// own sum and no sum is ever taken across lanes. Code byte j of row r of a group stands at (j / 4) * 4 * kGroup + r * 4
// + j % 4. Packing costs about as much as two queries, so a block is packed when it is scanned and is used for all
// queries of a batch; codes at rest stay row by row, as a walk wants them.

#include <cstddef>
#include <cstdint>

#include "index/simd/kernels.h"

namespace nestor::index::simd {

inline constexpr std::size_t kGroup = 16;          // rows packed together
inline constexpr std::int32_t kScanQueryMax = 64;  // |query byte|: two pair sums of 127 * 64 fit 16 bits together

// A packed block against queries.
struct ScanBlock {
  const std::uint8_t* packed;  // groups, `group_stride` bytes apart
  std::size_t group_stride;
  std::size_t groups;
  std::size_t length;          // code bytes a row, multiple of kCodeAlign
  const std::int32_t* bias;    // a row's share of its keys, kGroup per group
  const std::int8_t* queries;  // -kScanQueryMax..kScanQueryMax, `query_stride` bytes apart
  std::size_t query_stride;
  std::size_t query_count;
};

struct ScanKernels {
  const char* name;

  // Packs batch.count rows (missing ones of the last group become zeros) and adds sum c * (c - 128) of each row to
  // bias[row]. Called once per code segment with `packed` moved on by kGroup * its first byte.
  void (*pack)(const CodeBatch& batch, std::uint8_t* packed, std::size_t group_stride, std::int32_t* bias);

  // keys[q * key_stride + r] = bias[r] - 2 * sum queries[q] * codes[r], for whole groups. Bit-identical across tables.
  void (*keys)(const ScanBlock& block, std::int32_t* keys, std::size_t key_stride);

  // Writes the positions of keys <= limit, ascending, and returns how many. positions: room for count + 16.
  std::size_t (*at_most)(const std::int32_t* keys, std::size_t count, std::int32_t limit, std::uint32_t* positions);
};

const ScanKernels& scalar_scan_kernels();
const ScanKernels& avx2_scan_kernels();
const ScanKernels& avx512_scan_kernels();
const ScanKernels& neon_scan_kernels();

}  // namespace nestor::index::simd
