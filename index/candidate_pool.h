#pragma once
// The frontier of a walk that keeps up to a few hundred candidates: one sorted array (measured: level with heaps at
// these sizes, and simpler).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "index/walk_limits.h"

namespace nestor::index {

// Sorted candidates, nearest first, at most `capacity`.
class CandidatePool {
 public:
  // batch: the most entries one call of insert brings.
  void start(std::size_t capacity, std::size_t batch) {
    if (entries_.size() < capacity + batch) entries_.resize(capacity + batch);
    capacity_ = capacity;
    size_ = 0;
  }
  std::size_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }
  std::uint64_t operator[](std::size_t i) const { return entries_[i]; }
  std::uint32_t key(std::size_t i) const { return key_of(entries_[i]); }
  bool expanded(std::size_t i) const { return (entries_[i] & 1) != 0; }
  void mark_expanded(std::size_t i) { entries_[i] |= 1; }

  // Merges a hop's entries (packed, any order; sorted in place) from the far end, so that what stands behind them
  // moves once for the whole batch. Returns the position of the nearest one.
  std::size_t insert(std::uint64_t* fresh, std::size_t count) {
    sort_few(fresh, count);
    std::uint64_t* const entries = entries_.data();
    std::size_t end = size_;  // entries before it have not moved
    for (std::size_t j = count; j-- > 0;) {
      const std::size_t position = lower_bound(entries, end, fresh[j]);
      std::memmove(entries + position + j + 1, entries + position, (end - position) * sizeof *entries);
      entries[position + j] = fresh[j];
      end = position;
    }
    size_ = std::min(size_ + count, capacity_);
    return end;
  }

 private:
  static void sort_few(std::uint64_t* values, std::size_t count) {
    if (count > 24) {
      std::sort(values, values + count);
      return;
    }
    for (std::size_t i = 1; i < count; ++i) {
      const std::uint64_t value = values[i];
      std::size_t j = i;
      for (; j > 0 && values[j - 1] > value; --j) values[j] = values[j - 1];
      values[j] = value;
    }
  }
  // First position whose entry is not smaller; conditional moves instead of branches.
  static std::size_t lower_bound(const std::uint64_t* entries, std::size_t count, std::uint64_t value) {
    const std::uint64_t* base = entries;
    while (count > 1) {
      const std::size_t half = count / 2;
      base = base[half - 1] < value ? base + half : base;
      count -= half;
    }
    return static_cast<std::size_t>(base - entries) + (count == 1 && *base < value);
  }

  std::vector<std::uint64_t> entries_;
  std::size_t capacity_ = 0, size_ = 0;
};

}  // namespace nestor::index
