#include "index/code_matrix.h"

#include <algorithm>

#include "index/distance.h"

namespace nestor::index {

void CodeMatrix::sums(const QueryCode& query, std::size_t first, std::size_t last, const std::uint32_t* rows,
                      std::size_t count, std::int32_t* out, bool prefetch) const {
  constexpr std::size_t kBlock = 128;
  const simd::Kernels& kernel = kernels();
  bool started = false;
  for (const CodeSegment& segment : segments_) {
    const std::size_t from = std::max(first, segment.first), to = std::min(last, segment.last);
    if (from >= to) continue;
    const auto add = [&](std::size_t at, std::size_t n, std::int32_t* target) {
      const simd::CodeBatch batch{segment.data + (from - segment.first), segment.stride(), rows + at, n, to - from, prefetch};
      if (query.is_l2())
        kernel.l2_codes(query.l2_code() + from, batch, target);
      else
        kernel.dot_codes(query.dot_code() + from, batch, target);
    };
    if (!started) {
      add(0, count, out);
      started = true;
      continue;
    }
    std::int32_t more[kBlock];
    for (std::size_t at = 0; at < count; at += kBlock) {
      const std::size_t n = std::min(kBlock, count - at);
      add(at, n, more);
      for (std::size_t i = 0; i < n; ++i) out[at + i] += more[i];
    }
  }
  if (!started) std::fill(out, out + count, 0);
}

}  // namespace nestor::index
