#pragma once
// Best-first search over a frozen graph: the walk.
//
// Candidates stand in one sorted array of 64-bit words, key << 32 | row << 1 | expanded (measured: level with heaps
// up to a pool of a few hundred, and simpler). Rows are thus limited to 2^31.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "index/frozen_graph.h"

namespace nestor::index {

inline constexpr std::size_t kMaxRows = std::size_t{1} << 31;

struct WalkLimits {
  std::uint32_t pool = 64;  // candidates kept (ef); the walk ends when all of them are expanded
  std::uint32_t k = 10;     // the gap is measured from the k-th candidate
  std::uint32_t keep = 20;  // candidates the next stage wants; the gap never thins the pool below this
  float gap = 0;            // stop when key(next) > (1 + gap) * key(k-th); 0: only the pool ends the walk
};

struct WalkCounters {
  std::uint64_t evaluations = 0;
  std::uint64_t hops = 0;
  bool stopped_by_gap = false;
};

// Which rows this search has met: one byte a row, cleared by counting epochs. Measured level with a bitset at 200k
// rows, and needs no list of what to clear.
class VisitedRows {
 public:
  void start(std::size_t rows) {
    if (marks_.size() < rows + 1) {
      marks_.assign(rows + 1, 0);
      epoch_ = 0;
    }
    if (++epoch_ == 0) {
      std::fill(marks_.begin(), marks_.end(), std::uint8_t{0});
      epoch_ = 1;
    }
    none_ = static_cast<std::uint32_t>(rows);
    marks_[none_] = epoch_;  // what padding links stand for
  }
  // Copies the rows not met before to `out` (room for `count`) and marks them. Without branches: whether a
  // neighbour is new is a coin toss that no predictor learns.
  std::size_t take_new(const std::uint32_t* rows, std::size_t count, std::uint32_t* out) {
    // Locals: a store through a byte pointer could change the members, so they would be read again each time.
    std::uint8_t* const marks = marks_.data();
    const std::uint8_t epoch = epoch_;
    const std::uint32_t none = none_;
    std::size_t n = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t row = std::min(rows[i], none);
      out[n] = row;
      n += marks[row] != epoch;
      marks[row] = epoch;
    }
    return n;
  }

 private:
  std::vector<std::uint8_t> marks_;
  std::uint8_t epoch_ = 0;
  std::uint32_t none_ = 0;
};

// Sorted candidates, nearest first, at most `capacity`.
class CandidatePool {
 public:
  static std::uint64_t pack(std::uint32_t key, std::uint32_t row) { return std::uint64_t{key} << 32 | std::uint64_t{row} << 1; }
  static std::uint32_t key_of(std::uint64_t entry) { return static_cast<std::uint32_t>(entry >> 32); }
  static std::uint32_t row_of(std::uint64_t entry) { return static_cast<std::uint32_t>(entry) >> 1; }

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

// Reused by one thread from query to query.
struct WalkScratch {
  VisitedRows visited;
  CandidatePool pool;
  std::vector<std::uint32_t> rows, keys;  // neighbours of one hop
  std::vector<std::uint64_t> fresh;       // those near enough to be candidates
};

namespace beam_detail {

// Greedy descent through the upper levels; returns a level-0 row.
template <class Score>
std::uint32_t descend(const FrozenGraph& graph, const Score& score, WalkCounters& counters) {
  if (graph.upper_levels().empty()) return graph.entry_row();
  std::uint32_t node = 0;
  std::uint32_t rows[512], keys[512];
  for (std::size_t l = graph.upper_levels().size(); l-- > 0;) {
    const FrozenGraph::Level& level = graph.upper_levels()[l];
    std::uint32_t best;
    score(&level.rows[node], 1, &best);
    for (bool moved = true; moved;) {
      moved = false;
      const std::uint32_t* links = level.links.data() + static_cast<std::size_t>(node) * graph.max_links();
      std::size_t n = 0;
      for (; n < graph.max_links() && n < 512 && links[n] != kNoSlot; ++n) rows[n] = level.rows[links[n]];
      score(rows, n, keys);
      counters.evaluations += n;
      for (std::size_t i = 0; i < n; ++i) {
        if (keys[i] >= best) continue;
        best = keys[i];
        node = links[i];
        moved = true;
      }
    }
    node = level.below[node];
  }
  return node;
}

}  // namespace beam_detail

// Fills scratch.pool with the nearest rows by `score`, which is called as score(rows, count, keys).
// entries: rows to start from beside the graph's own entry (a previous rung's candidates); may be empty.
template <class Score>
WalkCounters walk(const FrozenGraph& graph, const Score& score, const WalkLimits& limits,
                  std::span<const std::uint32_t> entries, WalkScratch& scratch) {
  WalkCounters counters;
  const std::size_t degree = graph.degree(), batch = std::max<std::size_t>(degree, entries.size() + 1);
  CandidatePool& pool = scratch.pool;
  pool.start(limits.pool, batch);
  scratch.visited.start(graph.rows());
  if (scratch.rows.size() < batch) {
    scratch.rows.resize(batch);
    scratch.keys.resize(batch);
    scratch.fresh.resize(batch);
  }
  std::uint32_t *rows = scratch.rows.data(), *keys = scratch.keys.data();
  std::uint64_t* fresh = scratch.fresh.data();
  const double factor = 1.0 + limits.gap;
  const auto beyond = [&](std::uint32_t kth) { return static_cast<double>(kth) * factor; };
  const std::size_t enough = std::max(limits.k, limits.keep);  // candidates before the gap may end the walk

  std::size_t n = 0;
  if (entries.empty()) {
    const std::uint32_t start = beam_detail::descend(graph, score, counters);
    n = scratch.visited.take_new(&start, 1, rows);
  } else {
    n = scratch.visited.take_new(entries.data(), entries.size(), rows);
  }

  std::size_t next = 0;  // every candidate before it is expanded
  for (;;) {
    score(rows, n, keys);
    counters.evaluations += n;
    // Nothing beyond the gap is ever expanded, so nothing beyond it is inserted once the next stage has enough.
    std::uint32_t limit = pool.full() ? pool.key(pool.size() - 1) : 0xFFFFFFFFu;
    if (limits.gap > 0 && pool.size() >= enough) {
      const double bound = std::max(beyond(pool.key(limits.k - 1)), static_cast<double>(pool.key(limits.keep - 1)));
      if (bound < limit) limit = static_cast<std::uint32_t>(bound) + 1;
    }
    std::size_t near = 0;
    for (std::size_t i = 0; i < n; ++i) {
      fresh[near] = CandidatePool::pack(keys[i], rows[i]);
      near += keys[i] < limit;
    }
    if (near > 0) next = std::min(next, pool.insert(fresh, near));
    while (next < pool.size() && pool.expanded(next)) ++next;
    if (next >= pool.size()) break;
    if (limits.gap > 0 && pool.size() >= enough && pool.key(next) > beyond(pool.key(limits.k - 1))) {
      counters.stopped_by_gap = true;
      break;
    }
    n = scratch.visited.take_new(graph.links(CandidatePool::row_of(pool[next])), degree, rows);
    pool.mark_expanded(next);
    ++counters.hops;
    // The next hop's links travel while this hop's codes are compared.
    std::size_t after = next + 1;
    while (after < pool.size() && pool.expanded(after)) ++after;
    if (after < pool.size()) {
      const std::uint32_t* ahead = graph.links(CandidatePool::row_of(pool[after]));
      for (std::size_t byte = 0; byte < degree * sizeof *ahead; byte += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(ahead) + byte);
    }
  }
  return counters;
}

}  // namespace nestor::index
