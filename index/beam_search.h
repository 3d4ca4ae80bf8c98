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
  std::uint32_t pool = 64;     // candidates kept
  std::uint32_t explore = 64;  // the walk ends when the first `explore` of them are expanded (ef), at most pool
  std::uint32_t k = 10;        // the gap is measured from the k-th candidate
  std::uint32_t keep = 20;     // candidates the next stage wants; the gap never thins the pool below this
  float gap = 0;               // stop when key(next) > (1 + gap) * key(k-th); 0: never
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

// Rows on their way from memory, or just arrived.
struct RowBatch {
  std::vector<std::uint32_t> rows;
  std::size_t count = 0;
};

// Reused by one thread from query to query.
struct WalkScratch {
  VisitedRows visited;
  CandidatePool pool;
  RowBatch coming, arrived;
  std::vector<std::uint32_t> keys;
  std::vector<std::uint64_t> fresh;  // scored rows near enough to be candidates
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

// One walk. Memory is what a walk waits for (measured: a dependent miss costs as much as a dozen code distances), so
// three candidates are under way at any time: the links of one are being fetched, the codes of the next one's
// neighbours are being fetched, and the neighbours of a third are compared and inserted. A candidate is thus chosen
// without knowing the last two hops' results; that costs 2-4 % more evaluations and hides both waits.
template <class Score>
class Walk {
 public:
  Walk(const FrozenGraph& graph, const Score& score, const WalkLimits& limits, WalkScratch& scratch)
      : graph_(graph), score_(score), limits_(limits), s_(scratch), enough_(std::max(limits.k, limits.keep)) {}

  WalkCounters run(std::span<const std::uint32_t> entries) {
    const std::size_t batch = std::max<std::size_t>(graph_.degree(), entries.size()) + 1;
    s_.pool.start(limits_.pool, batch);
    s_.visited.start(graph_.rows());
    for (auto* rows : {&s_.coming.rows, &s_.arrived.rows, &s_.keys})
      if (rows->size() < batch) rows->resize(batch);
    if (s_.fresh.size() < batch) s_.fresh.resize(batch);
    s_.coming.count = 0;
    const std::uint32_t own = entries.empty() ? beam_detail::descend(graph_, score_, counters_) : kNoSlot;
    if (entries.empty()) entries = {&own, 1};
    s_.arrived.count = s_.visited.take_new(entries.data(), entries.size(), s_.arrived.rows.data());
    std::uint32_t chosen = kNoSlot;
    do {
      compare_arrived();
      send_for_codes(chosen);
      chosen = choose();
      std::swap(s_.coming, s_.arrived);
      s_.coming.count = 0;
    } while (chosen != kNoSlot || s_.arrived.count != 0);
    return counters_;
  }

 private:
  double beyond(std::uint32_t key) const { return static_cast<double>(key) * (1.0 + limits_.gap); }

  // Keys from here on cannot matter: nothing beyond the gap is ever expanded, so once the next stage has enough
  // candidates nothing beyond it is inserted either.
  std::uint32_t insertion_limit() const {
    std::uint32_t limit = s_.pool.full() ? s_.pool.key(s_.pool.size() - 1) : 0xFFFFFFFFu;
    if (limits_.gap > 0 && s_.pool.size() >= enough_) {
      const double bound =
          std::max(beyond(s_.pool.key(limits_.k - 1)), static_cast<double>(s_.pool.key(limits_.keep - 1)));
      if (bound < limit) limit = static_cast<std::uint32_t>(bound) + 1;
    }
    return limit;
  }

  void compare_arrived() {
    const std::size_t n = s_.arrived.count;
    if (n == 0) return;
    const std::uint32_t* rows = s_.arrived.rows.data();
    std::uint32_t* keys = s_.keys.data();
    std::uint64_t* fresh = s_.fresh.data();
    score_.arrived(rows, n, keys);
    counters_.evaluations += n;
    const std::uint32_t limit = insertion_limit();
    std::size_t near = 0;
    for (std::size_t i = 0; i < n; ++i) {
      fresh[near] = CandidatePool::pack(keys[i], rows[i]);
      near += keys[i] < limit;
    }
    if (near > 0) next_ = std::min(next_, s_.pool.insert(fresh, near));
  }

  void send_for_codes(std::uint32_t chosen) {
    if (chosen == kNoSlot) return;
    RowBatch& coming = s_.coming;
    coming.count = s_.visited.take_new(graph_.links(chosen), graph_.degree(), coming.rows.data());
    for (std::size_t i = 0; i < coming.count; ++i) score_.prefetch(coming.rows[i]);
  }

  // The nearest candidate not yet expanded, its links sent for; kNoSlot when none is worth it now.
  std::uint32_t choose() {
    CandidatePool& pool = s_.pool;
    const std::size_t end = std::min<std::size_t>(pool.size(), limits_.explore);
    while (next_ < end && pool.expanded(next_)) ++next_;
    if (next_ >= end) return kNoSlot;
    if (limits_.gap > 0 && pool.size() >= enough_ && pool.key(next_) > beyond(pool.key(limits_.k - 1))) {
      counters_.stopped_by_gap = true;
      return kNoSlot;
    }
    const std::uint32_t row = CandidatePool::row_of(pool[next_]);
    pool.mark_expanded(next_);
    ++counters_.hops;
    const auto* links = reinterpret_cast<const char*>(graph_.links(row));
    for (std::size_t byte = 0; byte < graph_.degree() * sizeof(std::uint32_t); byte += 64)
      __builtin_prefetch(links + byte);
    return row;
  }

  const FrozenGraph& graph_;
  const Score& score_;
  const WalkLimits limits_;
  WalkScratch& s_;
  const std::size_t enough_;  // candidates before the gap may end the walk
  std::size_t next_ = 0;      // every candidate before it is expanded
  WalkCounters counters_;
};

// Fills scratch.pool with the nearest rows by `score`: score(rows, count, keys) compares rows wherever they are,
// score.prefetch(row) sends for a row's codes, score.arrived(rows, count, keys) compares rows sent for.
// entries: rows to start from instead of the graph's own entry (a previous rung's candidates); may be empty.
template <class Score>
WalkCounters walk(const FrozenGraph& graph, const Score& score, const WalkLimits& limits,
                  std::span<const std::uint32_t> entries, WalkScratch& scratch) {
  return Walk<Score>(graph, score, limits, scratch).run(entries);
}

}  // namespace nestor::index
