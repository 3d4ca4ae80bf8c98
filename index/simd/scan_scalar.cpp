// The slow, obvious twin of the scan kernels.
#include "index/simd/scan_kernels.h"

namespace nestor::index::simd {
namespace {

std::size_t place(std::size_t byte, std::size_t row) { return byte / 4 * 4 * kGroup + row * 4 + byte % 4; }

void pack(const CodeBatch& batch, std::uint8_t* packed, std::size_t group_stride, std::int32_t* bias) {
  const std::size_t padded = (batch.count + kGroup - 1) / kGroup * kGroup;
  for (std::size_t r = 0; r < padded; ++r) {
    std::uint8_t* group = packed + r / kGroup * group_stride;
    for (std::size_t j = 0; j < batch.length; ++j) {
      const int code = r < batch.count ? batch.base[static_cast<std::size_t>(batch.rows[r]) * batch.stride + j] : 0;
      group[place(j, r % kGroup)] = static_cast<std::uint8_t>(code);
      bias[r] += code * (code - 128);
    }
  }
}

void keys(const ScanBlock& block, std::int32_t* out, std::size_t key_stride) {
  for (std::size_t q = 0; q < block.query_count; ++q)
    for (std::size_t r = 0; r < block.groups * kGroup; ++r) {
      const std::uint8_t* group = block.packed + r / kGroup * block.group_stride;
      std::int32_t sum = 0;
      for (std::size_t j = 0; j < block.length; ++j)
        sum += int{block.queries[q * block.query_stride + j]} * int{group[place(j, r % kGroup)]};
      out[q * key_stride + r] = block.bias[r] - 2 * sum;
    }
}

std::size_t at_most(const std::int32_t* keys, std::size_t count, std::int32_t limit, std::uint32_t* positions) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < count; ++i) {
    positions[n] = static_cast<std::uint32_t>(i);
    n += keys[i] <= limit;
  }
  return n;
}

}  // namespace

const ScanKernels& scalar_scan_kernels() {
  static const ScanKernels table{"scalar", pack, keys, at_most};
  return table;
}

}  // namespace nestor::index::simd
