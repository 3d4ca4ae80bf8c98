#pragma once
// The path of one query through a generation: walk a graph over codes, re-score the shortlist at wider widths by
// adding bands to the partial sums, rank the last few exactly.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "index/distance_order.h"
#include "index/generation.h"
#include "index/prepared_vector.h"
#include "index/search_types.h"
#include "index/tail.h"
#include "index/tuned_policy.h"

namespace nestor::index {

// Rows of a generation that may be returned.
class RowFilter {
 public:
  RowFilter(const Generation& generation, const DeadSlots& dead, std::span<const std::uint64_t> allowed_slots)
      : generation_(generation), dead_(dead), any_dead_(dead.count() != 0), allowed_(allowed_slots) {}

  bool operator()(std::uint32_t row) const {
    if (!any_dead_ && allowed_.empty()) return true;
    return allows(generation_.slot_of(row));
  }
  bool allows(Slot slot) const {
    if (any_dead_ && dead_.contains(slot)) return false;
    return allowed_.empty() || (slot / 64 < allowed_.size() && (allowed_[slot / 64] >> (slot % 64) & 1) != 0);
  }
  bool passes_all() const { return !any_dead_ && allowed_.empty(); }
  bool restricts() const { return !allowed_.empty(); }

 private:
  const Generation& generation_;
  const DeadSlots& dead_;
  bool any_dead_;
  std::span<const std::uint64_t> allowed_;
};

// What a search does, with every default filled in.
struct LadderPlan {
  bool exact = false;
  std::uint32_t rank_width = 0;  // the answer is ranked by this prefix
  std::uint32_t walk_width = 0;  // coordinates of the codes walked
  const WidthGraph* graph = nullptr;
  std::uint32_t pool = 0;     // candidates the walk keeps
  std::uint32_t explore = 0;  // ... and expands at most (ef)
  float gap = 0;
  std::uint32_t beam = 1;  // see WalkLimits
  std::uint32_t keep = 0;         // shortlist after the walk
  std::vector<Stage> rescores;    // wider code stages, ascending
  std::uint32_t rerank = 0;       // candidates ranked exactly
  // 0: shortlists are as long as they say. Else they are the least: a stage goes on while the candidates it has not
  // measured may matter, by so many standard deviations of what measuring changes (ranking_end.h).
  double deviations = 0;
  bool tuned = false;      // the depth is that of a tuning
  bool extends = false;    // where all candidates of the walk may matter the walk is repeated, wider; at last a scan answers
  bool by_rows = false;    // the walk compares stored rows
  bool ranks_by_codes = false;    // instead: see SearchOptions::exact_distances
  std::vector<std::uint32_t> entries;  // rows the walk starts from; empty: the graph's own entry
  std::optional<DeferralRule> deferral;
  std::uint32_t hidden = kNoSlot;  // a row to leave out, see WalkLimits
  std::uint32_t unanswered = kNoSlot;  // a row that is met, but not returned
  double live_share = 1;  // of the generation's rows: limits of the walk count the living
};

// tuned: serves options that say nothing about depth; may be null. Throws Error invalid_argument on options that do not
// fit.
LadderPlan plan_ladder(const CollectionOptions& collection, const Generation& generation, const SearchOptions& options,
                       const TunedPolicy* tuned = nullptr);

struct RowAnswer {
  std::vector<RankedRow> rows;       // nearest first, ties to the smaller row
  std::vector<StageReport> stages;   // when asked for
  std::size_t shortlist = 0;         // allowed candidates of a walk; fewer than it should keep: the filter starved it
  const char* exit_stage = "scan";   // what ended it
  bool unsure = false;               // more rows may matter than walks are worth: a scan should answer
};

// Thread-safe.
RowAnswer search_ladder(const Generation& generation, Metric metric, const PreparedQuery& query, const LadderPlan& plan,
                        const RowFilter& filter, std::uint32_t k, bool explain);

}  // namespace nestor::index
