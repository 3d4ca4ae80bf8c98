#include "index/graph_repair.h"

#include <vector>

#include "index/types.h"

namespace nestor::index {
namespace {

class Repair {
 public:
  Repair(std::span<std::uint32_t> links, std::size_t degree, std::uint32_t entry)
      : links_(links), degree_(degree), reached_(links.size() / degree, 0), parent_(reached_.size(), kNoSlot) {
    reach_from(entry);
  }

  bool reached(std::uint32_t row) const { return reached_[row] != 0; }

  // Gives `row` a way in and reaches all that it leads to.
  void connect(std::uint32_t row) {
    const std::uint32_t from = row_with_room(nearest_reached(row));
    const std::size_t used = count(links_of(from)), place = used < degree_ ? used : place_to_give(from);
    links_of(from)[place] = row;
    parent_[row] = from;
    reach_from(row);
  }

 private:
  std::uint32_t root() const { return order_.front(); }
  std::span<std::uint32_t> links_of(std::uint32_t row) { return links_.subspan(row * degree_, degree_); }
  std::size_t count(std::span<const std::uint32_t> places) const {
    std::size_t n = 0;
    while (n < places.size() && places[n] != kNoSlot) ++n;
    return n;
  }

  void reach_from(std::uint32_t row) {
    const std::size_t first = order_.size();
    if (!reached_[row]) order_.push_back(row);
    reached_[row] = 1;
    for (std::size_t i = first; i < order_.size(); ++i)
      for (const std::uint32_t next : links_of(order_[i])) {
        if (next == kNoSlot) break;
        if (reached_[next]) continue;
        reached_[next] = 1;
        parent_[next] = order_[i];
        order_.push_back(next);
      }
  }

  // Breadth first over the links that lead out of `row`: its own neighbours first.
  std::uint32_t nearest_reached(std::uint32_t row) {
    std::vector<std::uint32_t> open{row};
    for (std::size_t i = 0; i < open.size() && open.size() < kFarthest; ++i)
      for (const std::uint32_t next : links_of(open[i])) {
        if (next == kNoSlot) break;
        if (reached_[next]) return next;
        open.push_back(next);
      }
    return root();
  }

  // A link whose row was not reached over it: it keeps the way in that it was reached by. degree_: there is none.
  std::size_t place_to_give(std::uint32_t from) {
    const std::span<std::uint32_t> places = links_of(from);
    for (std::size_t place = degree_; place-- > 0;)
      if (places[place] != root() && parent_[places[place]] != from) return place;
    return degree_;
  }

  // The first row from `from` on, down the rows reached over it, that can take one more. There is one: a row over which no other was
  // reached can give up any link.
  std::uint32_t row_with_room(std::uint32_t from) {
    std::vector<std::uint32_t> open{from};
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (count(links_of(open[i])) < degree_ || place_to_give(open[i]) < degree_) return open[i];
      for (const std::uint32_t next : links_of(open[i]))
        if (parent_[next] == open[i]) open.push_back(next);  // down the tree of reaching, so none twice
    }
    return from;
  }

  static constexpr std::size_t kFarthest = 4096;  // rows looked at

  std::span<std::uint32_t> links_;
  std::size_t degree_;
  std::vector<std::uint8_t> reached_;
  std::vector<std::uint32_t> parent_;  // the row it was reached from first
  std::vector<std::uint32_t> order_;   // of reaching
};

}  // namespace

std::size_t connect_all(std::span<std::uint32_t> links, std::size_t degree, std::uint32_t entry,
                        std::span<const std::uint32_t> rows) {
  Repair repair(links, degree, entry);
  std::size_t added = 0;
  for (const std::uint32_t row : rows) {
    if (repair.reached(row)) continue;
    repair.connect(row);
    ++added;
  }
  return added;
}

}  // namespace nestor::index
