#include "server/sampling.h"

#include <algorithm>
#include <random>

#include "server/filter_selection.h"

namespace nestor::server {

std::vector<index::RowHeader> sample_rows(const OpenCollection& target, const index::SelectedSlots* slots,
                                          std::size_t count) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  std::vector<index::RowHeader> drawn;
  std::size_t seen = 0;
  for_each_row(target, slots, [&](const index::RowHeader& row) {  // reservoir sampling (Vitter 1985, algorithm R)
    if (drawn.size() < count) {
      drawn.push_back(row);
    } else if (const auto place = std::uniform_int_distribution<std::size_t>(0, seen)(random); place < count) {
      drawn[place] = row;
    }
    ++seen;
  });
  std::shuffle(drawn.begin(), drawn.end(), random);
  return drawn;
}

}  // namespace nestor::server
