#include "index/code_matrix.h"

#include <algorithm>

#include "index/distance.h"

namespace nestor::index {
namespace {

// Sums over code positions [from, to) of one segment.
void add_segment(const CodeSegment& segment, const QueryCode& query, std::size_t from, std::size_t to, CodePart part,
                 simd::CodeBatch batch, std::int32_t* out) {
  const simd::Kernels& kernel = kernels();
  const std::size_t skipped = segment.bytes(from - segment.first);
  batch.base = segment.data + skipped;
  batch.stride = segment.stride();
  batch.length = to - from;
  auto l2 = kernel.l2_codes;
  auto dot = kernel.dot_codes;
  if (segment.is_split()) {
    if (part == CodePart::all) batch.trailing = segment.trailing + skipped;
    l2 = part == CodePart::all ? kernel.l2_split : kernel.l2_coarse;
    dot = part == CodePart::all ? kernel.dot_split : kernel.dot_coarse;
  }
  if (query.is_l2())
    l2(query.l2_code() + from, batch, out);
  else
    dot(query.dot_code() + from, batch, out);
}

}  // namespace

void split_codes(const std::uint8_t* codes, std::size_t count, std::uint8_t* leading, std::uint8_t* trailing) {
  for (std::size_t block = 0; block < count; block += 32)
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint8_t a = codes[block + i], b = codes[block + 16 + i];
      leading[block / 2 + i] = static_cast<std::uint8_t>(a >> 3 | b >> 3 << 4);
      trailing[block / 2 + i] = static_cast<std::uint8_t>((a & 7) | (b & 7) << 4);
    }
}

void join_codes(const std::uint8_t* leading, const std::uint8_t* trailing, std::size_t count, std::uint8_t* codes) {
  for (std::size_t block = 0; block < count; block += 32)
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint8_t high = leading[block / 2 + i], low = trailing[block / 2 + i];
      codes[block + i] = static_cast<std::uint8_t>((high & 15) << 3 | (low & 15));
      codes[block + 16 + i] = static_cast<std::uint8_t>(high >> 4 << 3 | low >> 4);
    }
}

void CodeMatrix::sums(const QueryCode& query, std::size_t first, std::size_t last, const std::uint32_t* rows,
                      std::size_t count, std::int32_t* out, CodePart part, bool prefetch) const {
  constexpr std::size_t kBlock = 128;
  bool started = false;
  for (const CodeSegment& segment : segments_) {
    const std::size_t from = std::max(first, segment.first), to = std::min(last, segment.last);
    if (from >= to) continue;
    const auto add = [&](std::size_t at, std::size_t n, std::int32_t* target) {
      add_segment(segment, query, from, to, part, {nullptr, 0, rows + at, n, 0, prefetch}, target);
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
