#include "index/row_list.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace nestor::index {
namespace {

// First position in ascending `slots` from `from` on whose slot is not smaller: doubling steps, because the next
// allowed row is seldom far.
std::size_t gallop(std::span<const Slot> slots, std::size_t from, Slot slot) {
  std::size_t step = 1, end = from;
  while (end < slots.size() && slots[end] < slot) {
    from = end + 1;
    end += step;
    step *= 2;
  }
  end = std::min(end, slots.size());
  const auto begin = slots.begin();
  return static_cast<std::size_t>(
      std::lower_bound(begin + static_cast<std::ptrdiff_t>(from), begin + static_cast<std::ptrdiff_t>(end), slot) -
      begin);
}

}  // namespace

std::vector<std::uint32_t> list_rows(const Generation& generation, const DeadSlots& dead,
                                     std::span<const std::uint64_t> allowed_slots) {
  const std::span<const Slot> slots = generation.slots();
  std::vector<std::uint32_t> rows;
  if (allowed_slots.empty()) {
    rows.resize(slots.size());
    std::iota(rows.begin(), rows.end(), 0u);
    if (dead.count() != 0) std::erase_if(rows, [&](std::uint32_t row) { return dead.contains(slots[row]); });
    return rows;
  }
  const bool any_dead = dead.count() != 0;
  std::size_t at = 0;
  for (std::size_t w = 0; w < allowed_slots.size() && at < slots.size(); ++w)
    for (std::uint64_t word = allowed_slots[w]; word != 0; word &= word - 1) {
      const std::uint64_t slot = w * 64 + static_cast<std::uint64_t>(std::countr_zero(word));
      if (slot > slots.back()) return rows;
      at = gallop(slots, at, static_cast<Slot>(slot));
      if (slots[at] == slot && !(any_dead && dead.contains(slots[at]))) rows.push_back(static_cast<std::uint32_t>(at));
    }
  return rows;
}

}  // namespace nestor::index
