#include "index/live_share.h"

namespace nestor::index {

double LiveShare::count(const Generation& generation, const DeadSlots& dead) {
  if (generation.rows() == 0) return 1;
  std::size_t alive = 0;
  for (const Slot slot : generation.slots()) alive += !dead.contains(slot);
  return static_cast<double>(alive) / static_cast<double>(generation.rows());
}

double LiveShare::of(const Generation& generation, const DeadSlots& dead) {
  const std::uint64_t now = dead.count();
  const std::lock_guard lock(mutex_);
  if (now > counted_at_ + (counted_at_ == 0 ? 0 : generation.rows() / 100)) {
    counted_at_ = now;
    share_ = count(generation, dead);
  }
  return share_;
}

}  // namespace nestor::index
