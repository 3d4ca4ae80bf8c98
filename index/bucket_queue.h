#pragma once
// The frontier of a walk that keeps hundreds or thousands of candidates: keys fall into buckets, so that an insertion
// costs the same however many are kept, and how many are kept is independent of how many are expanded.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/walk_limits.h"

namespace nestor::index {

// A bucket holds the keys that share the exponent and the leading kMantissaBits bits: its keys differ by less than one
// part in 128, and the buckets cover every 32-bit key, so that none can overflow into a last, crowded one.
class BucketQueue {
 public:
  // keep: candidates that end() returns. REQUIRES: keep >= 1.
  void start(std::size_t keep) {
    keep_ = keep;
    candidates_.clear();
    next_.clear();
    waiting_.fill(0);
    counts_.fill(0);
    last_ = kBuckets - 1;
    counted_ = 0;
  }

  // packed: pack_candidate words, any order; keys from insertion_limit() on are ignored.
  void insert(const std::uint64_t* packed, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bucket = bucket_of(key_of(packed[i]));
      if (bucket > last_) continue;
      const auto number = static_cast<std::uint32_t>(candidates_.size());
      candidates_.push_back(packed[i]);
      std::uint64_t& word = waiting_[bucket / 64];
      const std::uint64_t bit = std::uint64_t{1} << (bucket % 64);
      next_.push_back((word & bit) != 0 ? heads_[bucket] : kEnd);
      heads_[bucket] = number;
      word |= bit;
      ++counts_[bucket];
      ++counted_;
    }
    while (counted_ - counts_[last_] >= keep_) counted_ -= counts_[last_--];
  }

  // Removes a candidate of the nearest bucket that still has one to expand; false: none is left among those kept.
  bool pop(std::uint64_t& candidate) {
    for (std::size_t w = 0; w <= last_ / 64; ++w) {
      if (waiting_[w] == 0) continue;
      const auto bucket = static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(waiting_[w])));
      if (bucket > last_) return false;
      const std::uint32_t number = heads_[bucket];
      candidate = candidates_[number];
      heads_[bucket] = next_[number];
      if (heads_[bucket] == kEnd) waiting_[w] &= waiting_[w] - 1;
      return true;
    }
    return false;
  }

  bool full() const { return counted_ >= keep_; }
  // A candidate at or beyond this key is not among the `keep` nearest seen, and neither kept nor expanded.
  std::uint32_t insertion_limit() const { return last_ + 1 < kBuckets ? first_key(last_ + 1) : 0xFFFFFFFFu; }
  // Near the key of the keep-th candidate, once full: the lower end of its bucket.
  std::uint32_t last_key() const { return first_key(last_); }

  // The `keep` nearest of all that were inserted (fewer if there were fewer), unsorted; expanded bits are zero.
  void end(std::vector<std::uint64_t>& out) const {
    out.clear();
    for (const std::uint64_t candidate : candidates_)
      if (bucket_of(key_of(candidate)) <= last_) out.push_back(candidate);
    if (out.size() <= keep_) return;
    std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(keep_), out.end());
    out.resize(keep_);
  }

  static constexpr std::uint32_t bucket_of(std::uint32_t key) {
    if (key < kPerOctave) return key;
    const auto exponent = static_cast<std::uint32_t>(std::bit_width(key)) - 1;
    return (exponent - kMantissaBits + 1) * kPerOctave + ((key >> (exponent - kMantissaBits)) & (kPerOctave - 1));
  }
  static constexpr std::uint32_t first_key(std::uint32_t bucket) {
    if (bucket < kPerOctave) return bucket;
    return (kPerOctave + bucket % kPerOctave) << (bucket / kPerOctave - 1);
  }

 private:
  static constexpr std::uint32_t kMantissaBits = 7, kPerOctave = 1u << kMantissaBits;
  static constexpr std::uint32_t kBuckets = (32 - kMantissaBits + 1) * kPerOctave;
  static constexpr std::uint32_t kEnd = 0xFFFFFFFFu;

  std::size_t keep_ = 1;
  std::vector<std::uint64_t> candidates_;               // all that were inserted
  std::vector<std::uint32_t> next_;                     // beside them: the next one of the same bucket
  std::array<std::uint32_t, kBuckets> heads_;           // valid where a bit of waiting_ is set
  std::array<std::uint64_t, kBuckets / 64> waiting_{};  // buckets with candidates to expand
  std::array<std::uint32_t, kBuckets> counts_{};        // inserted, expanded or not
  std::uint32_t last_ = kBuckets - 1;                   // buckets beyond it hold none of the `keep` nearest
  std::size_t counted_ = 0;                             // in buckets up to last_
};

}  // namespace nestor::index
