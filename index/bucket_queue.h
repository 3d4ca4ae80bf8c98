#pragma once
// The frontier of a walk that keeps hundreds or thousands of candidates: keys fall into buckets, so that an insertion
// costs the same however many are kept, and how many are returned is independent of how many may be expanded.

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
  // keep: candidates that end() returns. hold: so many nearest may be expanded. REQUIRES: 1 <= keep <= hold.
  void start(std::size_t keep, std::size_t hold) {
    kept_ = {keep};
    held_ = {hold};
    candidates_.clear();
    next_.clear();
    waiting_.fill(0);
    counts_.fill(0);
  }

  // packed: pack_candidate words, any order; keys from insertion_limit() on are ignored.
  void insert(const std::uint64_t* packed, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bucket = bucket_of(key_of(packed[i]));
      if (bucket > held_.last) continue;
      const auto number = static_cast<std::uint32_t>(candidates_.size());
      candidates_.push_back(packed[i]);
      std::uint64_t& word = waiting_[bucket / 64];
      const std::uint64_t bit = std::uint64_t{1} << (bucket % 64);
      next_.push_back((word & bit) != 0 ? heads_[bucket] : kEnd);
      heads_[bucket] = number;
      word |= bit;
      ++counts_[bucket];
      held_.add(bucket);
      kept_.add(bucket);
    }
    held_.shrink(counts_);
    kept_.shrink(counts_);
  }

  // Removes a candidate of the nearest bucket that still has one to expand; false: none is left among those held.
  bool pop(std::uint64_t& candidate) {
    for (std::size_t w = 0; w <= held_.last / 64; ++w) {
      if (waiting_[w] == 0) continue;
      const auto bucket = static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(waiting_[w])));
      if (bucket > held_.last) return false;
      const std::uint32_t number = heads_[bucket];
      candidate = candidates_[number];
      heads_[bucket] = next_[number];
      if (heads_[bucket] == kEnd) waiting_[w] &= waiting_[w] - 1;
      return true;
    }
    return false;
  }

  bool full() const { return kept_.counted >= kept_.wanted; }
  // A candidate at or beyond this key is not among the `hold` nearest seen, and neither kept nor expanded.
  std::uint32_t insertion_limit() const { return end_of(held_.last); }
  // The same for the `keep` nearest, which are those returned.
  std::uint32_t keep_limit() const { return end_of(kept_.last); }
  // Near the key of the keep-th candidate, once full: the lower end of its bucket.
  std::uint32_t last_key() const { return first_key(kept_.last); }

  // The `keep` nearest of all that were inserted (fewer if there were fewer), unsorted; expanded bits are zero.
  void end(std::vector<std::uint64_t>& out) const {
    out.clear();
    for (const std::uint64_t candidate : candidates_)
      if (bucket_of(key_of(candidate)) <= kept_.last) out.push_back(candidate);
    if (out.size() <= kept_.wanted) return;
    std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(kept_.wanted), out.end());
    out.resize(kept_.wanted);
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

  static constexpr std::uint32_t end_of(std::uint32_t bucket) {
    return bucket + 1 < kBuckets ? first_key(bucket + 1) : 0xFFFFFFFFu;
  }

  // The first buckets, as many as the `wanted` nearest candidates fall into.
  struct Reach {
    std::size_t wanted = 1;
    std::uint32_t last = kBuckets - 1;  // buckets beyond it hold none of them
    std::size_t counted = 0;            // candidates in buckets up to it

    void add(std::uint32_t bucket) { counted += bucket <= last; }
    void shrink(const std::array<std::uint32_t, kBuckets>& counts) {
      while (counted - counts[last] >= wanted) counted -= counts[last--];
    }
  };

  Reach kept_, held_;
  std::vector<std::uint64_t> candidates_;               // all that were inserted
  std::vector<std::uint32_t> next_;                     // beside them: the next one of the same bucket
  std::array<std::uint32_t, kBuckets> heads_;           // valid where a bit of waiting_ is set
  std::array<std::uint64_t, kBuckets / 64> waiting_{};  // buckets with candidates to expand
  std::array<std::uint32_t, kBuckets> counts_{};        // inserted, expanded or not
};

}  // namespace nestor::index
