#include "index/frozen_graph.h"

#include <algorithm>

#include "index/error.h"

namespace nestor::index {
namespace {

// Reads uint32 blocks and refuses to run past the end.
class Reader {
 public:
  explicit Reader(std::span<const std::uint32_t> words) : rest_(words) {}

  std::uint32_t one() { return take(1)[0]; }
  std::span<const std::uint32_t> take(std::size_t n) {
    if (n > rest_.size()) damaged("is truncated");
    const auto out = rest_.first(n);
    rest_ = rest_.subspan(n);
    return out;
  }
  bool done() const { return rest_.empty(); }
  [[noreturn]] static void damaged(const char* how) {
    throw Error(ErrorCode::data_loss, std::string("the generation's graph ") + how);
  }

 private:
  std::span<const std::uint32_t> rest_;
};

void check_below(std::span<const std::uint32_t> numbers, std::size_t limit, bool allow_none) {
  for (const std::uint32_t n : numbers)
    if (n >= limit && !(allow_none && n == kNoSlot)) Reader::damaged("has a link out of range");
}

}  // namespace

FrozenGraph::FrozenGraph(std::span<const std::byte> links, std::span<const std::byte> upper, std::size_t rows)
    : rows_(rows) {
  Reader reader({reinterpret_cast<const std::uint32_t*>(upper.data()), upper.size() / 4});
  if (reader.one() != 1) Reader::damaged("has an unknown version");
  max_links_ = reader.one();
  degree_ = 2 * max_links_;
  entry_ = reader.one();
  const std::uint32_t levels = reader.one();
  if (rows == 0 || entry_ >= rows || max_links_ == 0 || max_links_ > 4096 || levels > 64)
    Reader::damaged("has a header out of range");
  if (links.size() != rows * degree_ * sizeof(std::uint32_t)) Reader::damaged("does not fit the number of rows");
  std::size_t below = rows;
  for (std::uint32_t l = 0; l < levels; ++l) {
    Level level;
    const std::uint32_t n = reader.one();
    if (n == 0 || n > rows) Reader::damaged("has a level out of range");
    level.rows = reader.take(n);
    level.below = reader.take(n);
    level.links = reader.take(static_cast<std::size_t>(n) * max_links_);
    check_below(level.rows, rows, false);
    check_below(level.below, below, false);
    check_below(level.links, n, true);
    below = n;
    levels_.push_back(level);
  }
  if (!reader.done()) Reader::damaged("has trailing bytes");
  links_ = PackedLinks({reinterpret_cast<const std::uint32_t*>(links.data()), rows * degree_}, rows, degree_);
}

}  // namespace nestor::index
