#pragma once
// What a walk asks of its candidates: which one to expand next, and from which key on a new one cannot matter.
// Two kinds with one interface; the walk is compiled for each.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "index/bucket_queue.h"
#include "index/candidate_pool.h"
#include "index/walk_limits.h"

namespace nestor::index {

// How many candidates are expanded together. Each hop waits for its links and codes; where many candidates are wanted
// the order of expansion hardly matters, and several hops wait as one (256-d keys: a tenth less time at k = 100, a
// fifth less at k = 1024, a tenth more at k = 10).
inline constexpr std::size_t kMostTogether = 4;
inline constexpr std::uint32_t kManyWanted = 64;

// Exact order, for small pools. The walk ends when the first limits.explore candidates are expanded.
class SortedFrontier {
 public:
  void start(const WalkLimits& limits, std::size_t batch) {
    limits_ = limits;
    enough_ = std::max(limits.k, limits.keep);
    gap_ = limits.gap;
    reach_ = limits.deferral != nullptr ? std::max(limits.gap, limits.deferral->gap) : limits.gap;
    next_ = popped_ = last_change_ = 0;
    stopped_by_gap_ = went_on_ = false;
    features_.reset();
    pool_.start(limits.pool, batch);
  }

  std::size_t together() const { return limits_.keep >= kManyWanted ? kMostTogether : 1; }

  // Keys from here on cannot matter: nothing beyond the gap is ever expanded, so once the next stage has enough
  // candidates nothing beyond it is inserted either.
  std::uint32_t insertion_limit() const {
    std::uint32_t limit = pool_.full() ? pool_.key(pool_.size() - 1) : std::numeric_limits<std::uint32_t>::max();
    if (limits_.gap > 0 && pool_.size() >= enough_) {
      const double bound = std::max(gap_end(reach_), static_cast<double>(pool_.key(limits_.keep - 1)));
      if (bound < limit) limit = static_cast<std::uint32_t>(bound) + 1;
    }
    return limit;
  }

  void insert(std::uint64_t* fresh, std::size_t count) {
    const std::size_t position = pool_.insert(fresh, count);
    next_ = std::min(next_, position);
    if (position < limits_.k) last_change_ = popped_;
  }

  // The nearest candidate not yet expanded, now marked so; false: none is worth it now. under_way: rows are on their
  // way that may still change what stands here.
  bool pop(std::uint64_t& candidate, bool under_way) {
    // Not before the next stage has as many as it wants: an answer that is too short costs a scan of all rows.
    const std::size_t end =
        pool_.size() < enough_ ? pool_.size() : std::min<std::size_t>(pool_.size(), limits_.explore);
    while (next_ < end && pool_.expanded(next_)) ++next_;
    if (next_ >= end) return false;
    if (gap_ > 0 && pool_.size() >= enough_ && pool_.key(next_) > gap_end(gap_) && !takes_second_look(under_way)) {
      stopped_by_gap_ = true;
      return false;
    }
    candidate = pool_[next_];
    pool_.mark_expanded(next_);
    ++popped_;
    return true;
  }

  void report(WalkCounters& counters) const {
    counters.stopped_by_gap = stopped_by_gap_;
    counters.went_on = went_on_;
    counters.features = features_;
  }
  // All candidates kept, nearest first.
  void end(std::vector<std::uint64_t>& out) const {
    out.resize(pool_.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = pool_[i] & ~std::uint64_t{1};
  }

 private:
  double gap_end(float gap) const { return static_cast<double>(pool_.key(limits_.k - 1)) * (1.0 + gap); }

  // The gap is reached. Decided once, when nothing is under way that could still change what the rule sees.
  bool takes_second_look(bool under_way) {
    if (limits_.deferral == nullptr || features_ || under_way) return false;
    const double kth = std::max(1.0, static_cast<double>(pool_.key(limits_.k - 1)));
    const auto relative = [&](std::size_t i) {
      return static_cast<double>(pool_.key(std::min(i, pool_.size() - 1))) / kth;
    };
    const double hops = static_cast<double>(popped_) + 1;
    const double calm = (hops - static_cast<double>(last_change_)) / hops;
    const auto f = [](double value) { return static_cast<float>(value); };
    features_ = WalkFeatures{f(relative(0)), f(relative(limits_.k) - 1), f(relative(limits_.keep - 1) - 1),
                             f(calm),        f(std::log(hops)),          f(std::log(kth))};
    if (!(limits_.deferral->score(*features_) > limits_.deferral->threshold)) return false;
    went_on_ = true;
    gap_ = reach_;
    return pool_.key(next_) <= gap_end(gap_);
  }

  WalkLimits limits_;
  std::size_t enough_ = 0;  // candidates before the gap may end the walk
  float gap_ = 0;           // in force
  float reach_ = 0;         // the widest that may come into force: what lies within is kept
  std::size_t next_ = 0;    // every candidate before it is expanded
  std::size_t popped_ = 0;
  std::size_t last_change_ = 0;  // popped when the k nearest last changed
  bool stopped_by_gap_ = false, went_on_ = false;
  std::optional<WalkFeatures> features_;
  CandidatePool pool_;
};

// Order up to a bucket, for large k or ef. The walk ends after limits.explore expansions, which may be fewer or more
// than the limits.keep candidates it returns (once there are as many); a gap, also a negative one, ends it where the key of the keep-th
// candidate times (1 + gap) is passed. Takes no second look.
class BucketFrontier {
 public:
  void start(const WalkLimits& limits, std::size_t) {
    limits_ = limits;
    popped_ = 0;
    stopped_by_gap_ = false;
    queue_.start(limits.keep, std::max(limits.keep, limits.pool));
  }

  std::size_t together() const { return kMostTogether; }

  // As in a SortedFrontier, nothing beyond the gap is ever expanded.
  std::uint32_t insertion_limit() const {
    const std::uint32_t limit = queue_.insertion_limit();
    if (limits_.gap == 0 || !queue_.full()) return limit;
    const double bound = std::max(gap_end() + 1, static_cast<double>(queue_.keep_limit()));
    return bound < limit ? static_cast<std::uint32_t>(bound) : limit;
  }
  void insert(std::uint64_t* fresh, std::size_t count) { queue_.insert(fresh, count); }

  bool pop(std::uint64_t& candidate, bool) {
    if ((popped_ >= limits_.explore && queue_.full()) || !queue_.pop(candidate)) return false;
    if (limits_.gap != 0 && queue_.full() && key_of(candidate) > gap_end()) {
      stopped_by_gap_ = true;
      popped_ = limits_.explore;
      return false;
    }
    ++popped_;
    return true;
  }

  void report(WalkCounters& counters) const { counters.stopped_by_gap = stopped_by_gap_; }
  // The limits.keep nearest candidates met, unsorted.
  void end(std::vector<std::uint64_t>& out) const { queue_.end(out); }

 private:
  double gap_end() const { return queue_.last_key() * (1.0 + limits_.gap); }

  WalkLimits limits_;
  std::uint32_t popped_ = 0;
  bool stopped_by_gap_ = false;
  BucketQueue queue_;
};

}  // namespace nestor::index
