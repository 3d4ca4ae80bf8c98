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

// What a descent by a beam works with.
struct DescentScratch {
  std::vector<std::uint32_t> entries;  // numbers in the next level down
  std::vector<std::uint64_t> best;     // candidates, see pack_candidate
  std::vector<bool> met;
  std::vector<std::uint32_t> nodes, rows, keys;
};

// Reused by one thread from query to query.
struct WalkScratch {
  DescentScratch descent;
  VisitedRows visited;
  SortedFrontier sorted;
  BucketFrontier buckets;
  RowBatch coming, arrived;
  std::vector<std::uint32_t> links;  // of one row
  std::vector<std::uint32_t> keys;
  std::vector<std::int32_t> partial;  // keys of rows compared in part
  std::vector<std::uint64_t> fresh;   // scored rows near enough to be candidates
  std::vector<std::uint64_t> found;   // what the walk ended with, see walk()
};

namespace beam_detail {

// One upper level: the rows met nearest to the query, as many as `beam`, from those that the level above ended with.
// nodes: numbers in this level, nearest first; in and out.
template <class Score>
void search_level(const FrozenGraph::Level& level, std::uint32_t max_links, std::size_t beam, const Score& score,
                  DescentScratch& s, WalkCounters& counters) {
  s.met.assign(level.rows.size(), false);
  s.best.clear();
  const auto offer = [&](const std::uint32_t* nodes, std::size_t count) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < count && nodes[i] != kNoSlot; ++i) {
      if (s.met[nodes[i]]) continue;
      s.met[nodes[i]] = true;
      s.nodes[n] = nodes[i];
      s.rows[n++] = level.rows[nodes[i]];
    }
    score(s.rows.data(), n, s.keys.data());
    counters.evaluations += n;
    counters.finished += n;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t found = pack_candidate(s.keys[i], s.nodes[i]);
      if (s.best.size() == beam && found >= s.best.back()) continue;
      s.best.insert(std::upper_bound(s.best.begin(), s.best.end(), found), found);
      if (s.best.size() > beam) s.best.pop_back();
    }
  };
  const std::size_t room = std::max<std::size_t>(max_links, s.entries.size());
  for (auto* words : {&s.nodes, &s.rows, &s.keys})
    if (words->size() < room) words->resize(room);
  offer(s.entries.data(), s.entries.size());
  for (std::size_t i = 0; i < s.best.size();) {  // the nearest not yet expanded
    if ((s.best[i] & 1) != 0) {
      ++i;
      continue;
    }
    const std::uint32_t node = row_of(s.best[i]);
    s.best[i] |= 1;
    offer(level.links.data() + static_cast<std::size_t>(node) * max_links, max_links);
    i = 0;
  }
  s.entries.clear();
  for (const std::uint64_t found : s.best) s.entries.push_back(level.below[row_of(found)]);
}

// Down through the upper levels by a beam; leaves rows of level 0 in s.entries, nearest first.
template <class Score>
void descend_by_beam(const FrozenGraph& graph, std::size_t beam, const Score& score, DescentScratch& s,
                     WalkCounters& counters) {
  s.entries.assign(1, graph.upper_levels().empty() ? graph.entry_row() : 0);
  for (std::size_t l = graph.upper_levels().size(); l-- > 0;)
    search_level(graph.upper_levels()[l], graph.max_links(), beam, score, s, counters);
}

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
      counters.finished += n;
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
// the links of the next candidate are fetched while the neighbours of the last one are compared, and what is left to
// read of those is fetched while the next one's neighbours are sent for. A candidate is thus chosen without knowing
// the last hop's result; that costs some 5 % more evaluations.
template <class Score, class Frontier>
class Walk {
 public:
  Walk(const FrozenGraph& graph, Score& score, Frontier& frontier, WalkScratch& scratch)
      : graph_(graph), score_(score), frontier_(frontier), s_(scratch) {}

  WalkCounters run(const WalkLimits& limits, std::span<const std::uint32_t> entries) {
    const std::size_t batch = std::max<std::size_t>({kMostTogether * graph_.degree(), entries.size(), limits.beam}) + 1;
    frontier_.start(limits, batch);
    s_.visited.start(graph_.rows());
    if (s_.links.size() < graph_.degree()) s_.links.resize(graph_.degree());
    for (auto* rows : {&s_.coming.rows, &s_.arrived.rows, &s_.keys})
      if (rows->size() < batch) rows->resize(batch);
    if (s_.fresh.size() < batch) s_.fresh.resize(batch);
    if (s_.partial.size() < batch) s_.partial.resize(batch);
    s_.coming.count = 0;
    std::uint32_t own = kNoSlot;
    if (entries.empty() && limits.beam > 1) {
      descend_by_beam(graph_, limits.beam, score_, s_.descent, counters_);
      own = s_.descent.entries.front();
      entries = s_.descent.entries;
    } else if (entries.empty()) {
      own = descend(graph_, score_, counters_);
      entries = {&own, 1};
    }
    if (limits.hidden != kNoSlot) {
      s_.visited.take_new(&limits.hidden, 1, s_.arrived.rows.data());
      if (own == limits.hidden && entries.size() == 1) entries = {s_.links.data(), graph_.links().read(own, s_.links.data())};
    }
    s_.arrived.count = s_.visited.take_new(entries.data(), entries.size(), s_.arrived.rows.data());
    do {
      const std::size_t kept = begin_arrived();
      if (score_.in_two_parts()) {
        send_for_codes();
        finish_arrived(kept);
      } else {
        finish_arrived(kept);
        send_for_codes();
      }
      choose();
      std::swap(s_.coming, s_.arrived);
      s_.coming.count = 0;
    } while (chosen_count_ != 0 || s_.arrived.count != 0);
    frontier_.end(s_.found);
    frontier_.report(counters_);
    return counters_;
  }

 private:
  // Returns how many of the rows arrived are worth comparing to the end.
  std::size_t begin_arrived() {
    if (s_.arrived.count == 0) return 0;
    counters_.evaluations += s_.arrived.count;
    return score_.begin(s_.arrived.rows.data(), s_.arrived.count, frontier_.insertion_limit(), s_.partial.data());
  }

  void finish_arrived(std::size_t count) {
    if (count == 0) return;
    counters_.finished += count;
    const std::uint32_t* rows = s_.arrived.rows.data();
    std::uint32_t* keys = s_.keys.data();
    std::uint64_t* fresh = s_.fresh.data();
    score_.finish(rows, count, s_.partial.data(), keys);
    const std::uint32_t limit = frontier_.insertion_limit();
    std::size_t near = 0;
    for (std::size_t i = 0; i < count; ++i) {
      fresh[near] = pack_candidate(keys[i], rows[i]);
      near += keys[i] < limit;
    }
    if (near > 0) frontier_.insert(fresh, near);
  }

  void send_for_codes() {
    RowBatch& coming = s_.coming;
    for (std::size_t c = 0; c < chosen_count_; ++c) {
      std::uint32_t* const rows = coming.rows.data() + coming.count;
      const std::size_t count = graph_.links().read(chosen_[c], s_.links.data());
      const std::size_t fresh = s_.visited.take_new(s_.links.data(), count, rows);
      for (std::size_t i = 0; i < fresh; ++i) score_.send(rows[i]);
      coming.count += fresh;
    }
  }

  // The next candidates to expand, their links sent for; none when none is worth it now.
  void choose() {
    const bool under_way = s_.coming.count != 0;
    std::uint64_t candidate = 0;
    for (chosen_count_ = 0;
         chosen_count_ < frontier_.together() && frontier_.pop(candidate, under_way || chosen_count_ > 0);
         ++chosen_count_) {
      ++counters_.hops;
      graph_.links().send(chosen_[chosen_count_] = row_of(candidate));
    }
  }

  const FrozenGraph& graph_;
  Score& score_;
  Frontier& frontier_;
  WalkScratch& s_;
  std::uint32_t chosen_[kMostTogether];
  std::size_t chosen_count_ = 0;
  WalkCounters counters_;
};

}  // namespace beam_detail

// From so many candidates kept on they stand in a bucket queue: a sorted array would move kilobytes an insertion.
inline constexpr std::uint32_t kSortedPool = 512;
// With a gap few of them ever stand there, and the k-th must be known: longer arrays then, for k that are not large.
inline constexpr std::uint32_t kSortedGapPool = 2048, kSortedGapK = 256;

inline bool walks_in_order(const WalkLimits& limits) {
  return limits.pool <= kSortedPool || (limits.gap > 0 && limits.pool <= kSortedGapPool && limits.k <= kSortedGapK);
}

// Fills scratch.found with packed candidates, the nearest rows by `score` (what it must offer: WalkScorer). With
// walks_in_order(): all of the pool, nearest first; else: the limits.keep nearest, unsorted. entries: rows to start
// from instead of the graph's own entry (a previous rung's candidates); may be empty.
template <class Score>
WalkCounters walk(const FrozenGraph& graph, Score& score, const WalkLimits& limits,
                  std::span<const std::uint32_t> entries, WalkScratch& scratch) {
  if (walks_in_order(limits))
    return beam_detail::Walk<Score, SortedFrontier>(graph, score, scratch.sorted, scratch).run(limits, entries);
  return beam_detail::Walk<Score, BucketFrontier>(graph, score, scratch.buckets, scratch).run(limits, entries);
}

}  // namespace nestor::index
