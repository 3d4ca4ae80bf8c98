#pragma once
// Which share of a generation's rows is alive: what a walk meets counts for its limits only in that share.

#include <cstdint>
#include <mutex>

#include "index/generation.h"
#include "index/tail.h"

namespace nestor::index {

// Counted when it is asked for first, and again when more than a hundredth of the rows may have died since. Thread-safe.
class LiveShare {
 public:
  // O(1), O(rows) where it counts. Always the same generation and the same dead.
  double of(const Generation& generation, const DeadSlots& dead);

  static double count(const Generation& generation, const DeadSlots& dead);

 private:
  std::mutex mutex_;
  std::uint64_t counted_at_ = 0;  // dead slots then; none are none of this generation's
  double share_ = 1;
};

}  // namespace nestor::index
