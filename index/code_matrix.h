#pragma once
// The codes of all rows, cut into segments at the graphs' widths: a walk at a coarse width touches only the first
// segment's pages, a re-score adds the next segment's share. A segment is whole or split (simd/kernels.h); of a split
// one a walk reads the leading bits only, half the memory.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/quantizer.h"

namespace nestor::index {

struct CodeSegment {
  const std::uint8_t* data = nullptr;      // row r at data + r * stride(); split: the leading bits
  std::size_t first = 0, last = 0;         // code positions, multiples of simd::kCodeAlign
  const std::uint8_t* trailing = nullptr;  // split: the trailing bits, else null

  bool is_split() const { return trailing != nullptr; }
  // Bytes of codes [first, last) in each plane.
  std::size_t stride() const { return bytes(last - first); }
  std::size_t bytes(std::size_t codes) const { return is_split() ? codes / 2 : codes; }
};

// Cuts the codes of one row, `count` of them, into the planes of a split segment, count / 2 bytes each.
void split_codes(const std::uint8_t* codes, std::size_t count, std::uint8_t* leading, std::uint8_t* trailing);

// Puts the planes of a row together again.
void join_codes(const std::uint8_t* leading, const std::uint8_t* trailing, std::size_t count, std::uint8_t* codes);

enum class CodePart {
  all,     // whole codes
  coarse,  // leading bits where a segment is split
};

// View; the memory belongs to the generation.
class CodeMatrix {
 public:
  CodeMatrix() = default;
  explicit CodeMatrix(std::vector<CodeSegment> segments) : segments_(std::move(segments)) {}

  bool empty() const { return segments_.empty(); }
  const std::vector<CodeSegment>& segments() const { return segments_; }
  // Whether walks compare leading bits only, so that what they find has to be compared again by whole codes.
  bool walks_coarse() const { return !segments_.empty() && segments_.front().is_split(); }

  // Code sums (see simd::Kernels) over positions [first, last) for `count` rows. O(count * (last - first)).
  // prefetch: send for rows ahead; pass false when they have been sent for already.
  void sums(const QueryCode& query, std::size_t first, std::size_t last, const std::uint32_t* rows, std::size_t count,
            std::int32_t* out, CodePart part = CodePart::all, bool prefetch = true) const;
  // Sends for what a coarse sum over positions [0, last) of a row reads.
  void prefetch(std::uint32_t row, std::size_t last) const {
    for (const CodeSegment& segment : segments_) {
      if (segment.first >= last) return;
      const std::uint8_t* codes = segment.data + static_cast<std::size_t>(row) * segment.stride();
      const std::size_t bytes = segment.bytes(std::min(last, segment.last) - segment.first);
      for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(codes + b);
    }
  }

 private:
  std::vector<CodeSegment> segments_;
};

// Keys of rows over one prefix: see QueryCode. What a walk goes by: coarse where codes are split.
class PrefixScorer {
 public:
  PrefixScorer(const CodeMatrix& codes, const Quantizer& quantizer, const QueryCode& query, std::uint32_t width)
      : codes_(codes), query_(query), length_(quantizer.code_length(width)), base_(query.base(width)) {}

  void operator()(const std::uint32_t* rows, std::size_t count, std::uint32_t* keys) const {
    compare(rows, count, keys, true);
  }
  void prefetch(std::uint32_t row) const { codes_.prefetch(row, length_); }
  void arrived(const std::uint32_t* rows, std::size_t count, std::uint32_t* keys) const {
    compare(rows, count, keys, false);
  }

  // A quantised dot can exceed its bound by a rounding; such a row is simply the nearest possible.
  static std::uint32_t clamp_key(std::int64_t key) {
    return key < 0 ? 0u : static_cast<std::uint32_t>(key < 0x7FFFFFFF ? key : 0x7FFFFFFF);
  }

 private:
  void compare(const std::uint32_t* rows, std::size_t count, std::uint32_t* keys, bool prefetch) const {
    auto* sums = reinterpret_cast<std::int32_t*>(keys);
    codes_.sums(query_, 0, length_, rows, count, sums, CodePart::coarse, prefetch);
    if (!query_.is_l2())
      for (std::size_t i = 0; i < count; ++i) keys[i] = clamp_key(base_ - sums[i]);
  }

  const CodeMatrix& codes_;
  const QueryCode& query_;
  std::size_t length_;
  std::int64_t base_;
};

}  // namespace nestor::index
