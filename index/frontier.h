#pragma once
// What a walk asks of its candidates: which one to expand next, and from which key on a new one cannot matter.
// Two kinds with one interface; the walk is compiled for each.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "index/bucket_queue.h"
#include "index/candidate_pool.h"
#include "index/walk_limits.h"

namespace nestor::index {

// Exact order, for small pools. The walk ends when the first limits.explore candidates are expanded.
class SortedFrontier {
 public:
  void start(const WalkLimits& limits, std::size_t batch) {
    limits_ = limits;
    enough_ = std::max(limits.k, limits.keep);
    next_ = 0;
    stopped_by_gap_ = false;
    pool_.start(limits.pool, batch);
  }

  // Keys from here on cannot matter: nothing beyond the gap is ever expanded, so once the next stage has enough
  // candidates nothing beyond it is inserted either.
  std::uint32_t insertion_limit() const {
    std::uint32_t limit = pool_.full() ? pool_.key(pool_.size() - 1) : std::numeric_limits<std::uint32_t>::max();
    if (limits_.gap > 0 && pool_.size() >= enough_) {
      const double bound = std::max(gap_end(), static_cast<double>(pool_.key(limits_.keep - 1)));
      if (bound < limit) limit = static_cast<std::uint32_t>(bound) + 1;
    }
    return limit;
  }

  void insert(std::uint64_t* fresh, std::size_t count) { next_ = std::min(next_, pool_.insert(fresh, count)); }

  // The nearest candidate not yet expanded, now marked so; false: none is worth it now.
  bool pop(std::uint64_t& candidate) {
    const std::size_t end = std::min<std::size_t>(pool_.size(), limits_.explore);
    while (next_ < end && pool_.expanded(next_)) ++next_;
    if (next_ >= end) return false;
    if (limits_.gap > 0 && pool_.size() >= enough_ && pool_.key(next_) > gap_end()) {
      stopped_by_gap_ = true;
      return false;
    }
    candidate = pool_[next_];
    pool_.mark_expanded(next_);
    return true;
  }

  bool stopped_by_gap() const { return stopped_by_gap_; }
  // All candidates kept, nearest first.
  void end(std::vector<std::uint64_t>& out) const {
    out.resize(pool_.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = pool_[i] & ~std::uint64_t{1};
  }

 private:
  double gap_end() const { return static_cast<double>(pool_.key(limits_.k - 1)) * (1.0 + limits_.gap); }

  WalkLimits limits_;
  std::size_t enough_ = 0;  // candidates before the gap may end the walk
  std::size_t next_ = 0;    // every candidate before it is expanded
  bool stopped_by_gap_ = false;
  CandidatePool pool_;
};

// Order up to a bucket, for large k. The walk ends after limits.explore expansions, which may be fewer than limits.keep
// candidates; a gap, also a negative one, ends it where the k-th candidate's key times (1 + gap) is passed.
class BucketFrontier {
 public:
  void start(const WalkLimits& limits, std::size_t) {
    limits_ = limits;
    popped_ = 0;
    stopped_by_gap_ = false;
    queue_.start(limits.keep);
  }

  std::uint32_t insertion_limit() const { return queue_.insertion_limit(); }
  void insert(std::uint64_t* fresh, std::size_t count) { queue_.insert(fresh, count); }

  bool pop(std::uint64_t& candidate) {
    if (popped_ >= limits_.explore || !queue_.pop(candidate)) return false;
    if (limits_.gap != 0 && queue_.full() && key_of(candidate) > queue_.last_key() * (1.0 + limits_.gap)) {
      stopped_by_gap_ = true;
      popped_ = limits_.explore;
      return false;
    }
    ++popped_;
    return true;
  }

  bool stopped_by_gap() const { return stopped_by_gap_; }
  // The limits.keep nearest candidates met, unsorted.
  void end(std::vector<std::uint64_t>& out) const { queue_.end(out); }

 private:
  WalkLimits limits_;
  std::uint32_t popped_ = 0;
  bool stopped_by_gap_ = false;
  BucketQueue queue_;
};

}  // namespace nestor::index
