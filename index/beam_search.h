#pragma once
// Best-first search over a frozen graph: the walk.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "index/frontier.h"
#include "index/frozen_graph.h"
#include "index/visited_rows.h"
#include "index/walk_limits.h"

namespace nestor::index {

// Rows on their way from memory, or just arrived.
struct RowBatch {
  std::vector<std::uint32_t> rows;
  std::size_t count = 0;
};

// Reused by one thread from query to query.
struct WalkScratch {
  VisitedRows visited;
  SortedFrontier sorted;
  BucketFrontier buckets;
  RowBatch coming, arrived;
  std::vector<std::uint32_t> keys;
  std::vector<std::uint64_t> fresh;  // scored rows near enough to be candidates
  std::vector<std::uint64_t> found;  // what the walk ended with, see walk()
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

// One walk. Memory is what a walk waits for (measured: a dependent miss costs as much as a dozen code distances), so
// three candidates are under way at any time: the links of one are being fetched, the codes of the next one's
// neighbours are being fetched, and the neighbours of a third are compared and inserted. A candidate is thus chosen
// without knowing the last two hops' results; that costs 2-4 % more evaluations and hides both waits.
template <class Score, class Frontier>
class Walk {
 public:
  Walk(const FrozenGraph& graph, const Score& score, Frontier& frontier, WalkScratch& scratch)
      : graph_(graph), score_(score), frontier_(frontier), s_(scratch) {}

  WalkCounters run(const WalkLimits& limits, std::span<const std::uint32_t> entries) {
    const std::size_t batch = std::max<std::size_t>(graph_.degree(), entries.size()) + 1;
    frontier_.start(limits, batch);
    s_.visited.start(graph_.rows());
    for (auto* rows : {&s_.coming.rows, &s_.arrived.rows, &s_.keys})
      if (rows->size() < batch) rows->resize(batch);
    if (s_.fresh.size() < batch) s_.fresh.resize(batch);
    s_.coming.count = 0;
    const std::uint32_t own = entries.empty() ? descend(graph_, score_, counters_) : kNoSlot;
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
    frontier_.end(s_.found);
    frontier_.report(counters_);
    return counters_;
  }

 private:
  void compare_arrived() {
    const std::size_t n = s_.arrived.count;
    if (n == 0) return;
    const std::uint32_t* rows = s_.arrived.rows.data();
    std::uint32_t* keys = s_.keys.data();
    std::uint64_t* fresh = s_.fresh.data();
    score_.arrived(rows, n, keys);
    counters_.evaluations += n;
    const std::uint32_t limit = frontier_.insertion_limit();
    std::size_t near = 0;
    for (std::size_t i = 0; i < n; ++i) {
      fresh[near] = pack_candidate(keys[i], rows[i]);
      near += keys[i] < limit;
    }
    if (near > 0) frontier_.insert(fresh, near);
  }

  void send_for_codes(std::uint32_t chosen) {
    if (chosen == kNoSlot) return;
    RowBatch& coming = s_.coming;
    coming.count = s_.visited.take_new(graph_.links(chosen), graph_.degree(), coming.rows.data());
    for (std::size_t i = 0; i < coming.count; ++i) score_.prefetch(coming.rows[i]);
  }

  // The next candidate to expand, its links sent for; kNoSlot when none is worth it now.
  std::uint32_t choose() {
    std::uint64_t candidate = 0;
    if (!frontier_.pop(candidate, s_.coming.count != 0)) return kNoSlot;
    ++counters_.hops;
    const std::uint32_t row = row_of(candidate);
    const auto* links = reinterpret_cast<const char*>(graph_.links(row));
    for (std::size_t byte = 0; byte < graph_.degree() * sizeof(std::uint32_t); byte += 64)
      __builtin_prefetch(links + byte);
    return row;
  }

  const FrozenGraph& graph_;
  const Score& score_;
  Frontier& frontier_;
  WalkScratch& s_;
  WalkCounters counters_;
};

}  // namespace beam_detail

// From so many candidates kept on they stand in a bucket queue: a sorted array would move kilobytes an insertion.
inline constexpr std::uint32_t kSortedPool = 512;

// Fills scratch.found with packed candidates, the nearest rows by `score`: score(rows, count, keys) compares rows
// wherever they are, score.prefetch(row) sends for a row's codes, score.arrived(rows, count, keys) compares rows sent
// for. With limits.pool up to kSortedPool: all of the pool, nearest first; beyond: the limits.keep nearest, unsorted.
// entries: rows to start from instead of the graph's own entry (a previous rung's candidates); may be empty.
template <class Score>
WalkCounters walk(const FrozenGraph& graph, const Score& score, const WalkLimits& limits,
                  std::span<const std::uint32_t> entries, WalkScratch& scratch) {
  if (limits.pool <= kSortedPool)
    return beam_detail::Walk<Score, SortedFrontier>(graph, score, scratch.sorted, scratch).run(limits, entries);
  return beam_detail::Walk<Score, BucketFrontier>(graph, score, scratch.buckets, scratch).run(limits, entries);
}

}  // namespace nestor::index
