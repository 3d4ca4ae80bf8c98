#include <algorithm>
#include <string>

#include "index/error.h"
#include "index/ladder.h"

namespace nestor::index {
namespace {

constexpr float kDefaultGap = 0.2f;  // where the build chose none: recall@10 about 0.997 on real keys
constexpr std::uint32_t kDefaultPool = 400;
// Beyond this k the gap saves nothing: the k-th neighbour is far, and what is evaluated on the way to k neighbours
// is more than k anyway. Expanding 1.25 k candidates finds 0.999 of 1024 neighbours on real keys.
constexpr std::uint32_t kLargeK = 200;

// Standard deviations of what measuring changes within which a candidate may matter.
constexpr double kDeviations = 3;

void fill_default_policy(LadderPlan& plan, const SearchOptions& options, const CollectionOptions& collection,
                         const Generation& generation) {
  const std::uint32_t k = options.k;
  plan.deviations = kDeviations;
  plan.beam = generation.default_policy() ? generation.default_policy()->beam : 1;
  plan.extends = !options.candidates_to_explore && !options.distance_gap;
  const bool coded = generation.quantizer().dim() >= plan.rank_width;  // whole codes of all that ranks
  // A walk that sees all ranked coordinates whole orders well up to the codes' rounding; any other needs a longer list.
  const bool whole = plan.walk_width >= plan.rank_width && !generation.codes().walks_coarse();
  // With one step for all coordinates the rounding grows with their number against the gaps between neighbours: on wide
  // synthetic vectors ranking 20 exactly stops at recall 0.98, 40 reaches 0.99 at the same walk. Steps of their own
  // need no more than a walk over all coordinates does.
  const std::uint32_t fine = std::max(k + 10, k + k / 16), coarse = std::max(k + 30, 2 * k);
  plan.keep = whole ? std::max(k + 15, k + k / 8) : std::max(k + 50, 3 * k);
  plan.rerank = whole || !generation.quantizer().shares_step() ? fine : coarse;
  if (!whole && coded) {
    plan.rescores.push_back({plan.rank_width, plan.rerank});
  } else if (!whole) {  // rotated: the codes end here, and hold nearly all of the distance
    plan.rerank = std::max(k + 20, 2 * k);
    if (!generation.codes().walks_coarse()) plan.keep = plan.rerank;
  }
  // Keys of dot products begin at the largest product that the longest row could have. How far that is from the rows
  // depends on their lengths, so no gap is good for all: it is the one measured, or none.
  plan.gap = generation.default_gap().value_or(collection.metric == Metric::dot ? 0.0f : kDefaultGap);
  const std::uint32_t pool = generation.default_policy() ? generation.default_policy()->explore : kDefaultPool;
  plan.explore = plan.gap > 0 ? std::max(pool, 2 * k) : std::max(100u, 2 * k);
  if (k > kLargeK) {
    plan.explore = k + k / 4;
    plan.gap = 0;
  }
  if (options.candidates_to_explore) {
    plan.explore = *options.candidates_to_explore;
    plan.gap = 0;
  }
  if (options.distance_gap) plan.gap = *options.distance_gap;
}

void fill_policy(LadderPlan& plan, const SearchPolicy& policy, std::uint32_t k) {
  for (const std::uint32_t candidates : {policy.explore, policy.keep, policy.rerank})
    if (candidates < 1 || candidates > 65536)
      throw Error(ErrorCode::invalid_argument,
                  "a policy with " + std::to_string(candidates) + " candidates is out of range 1..65536");
  if (!(policy.gap >= 0 && policy.gap <= 100) || (policy.deferral && !(policy.deferral->gap <= 100)))
    throw Error(ErrorCode::invalid_argument, "distance gap must lie in 0..100");
  plan.deviations = 0;
  plan.extends = false;
  plan.explore = policy.explore;
  plan.gap = policy.gap;
  plan.rerank = std::max(policy.rerank, k);
  plan.keep = std::max(policy.keep, plan.rerank);
  plan.deferral = policy.deferral;
  for (Stage& stage : plan.rescores) stage.shortlist = plan.rerank;
}

void fill_tuned_policy(LadderPlan& plan, const TunedPolicy& tuned, std::uint32_t k) {
  if (tuned.k == k)
    fill_policy(plan, tuned.policy, k);
  else if (plan.gap > 0 && tuned.policy.gap > 0)
    plan.gap = tuned.policy.gap;
}

std::uint32_t checked_width(const CollectionOptions& collection, std::uint32_t width) {
  if (std::find(collection.widths.begin(), collection.widths.end(), width) != collection.widths.end()) return width;
  std::string known;
  for (const std::uint32_t w : collection.widths) known += (known.empty() ? "" : ", ") + std::to_string(w);
  throw Error(ErrorCode::invalid_argument,
              "width " + std::to_string(width) + " is not one of the collection's widths (" + known + ")");
}

// Explicit stages: walk, re-scores at wider widths, and an exact ranking at the last width.
void fill_stages(LadderPlan& plan, const SearchOptions& options, const CollectionOptions& collection,
                 const Generation& generation) {
  const auto coded = static_cast<std::uint32_t>(generation.quantizer().dim());
  plan.deviations = 0;
  plan.extends = false;
  std::uint32_t previous = 0;
  for (const Stage& stage : options.stages) {
    checked_width(collection, stage.width);
    if (stage.width <= previous)
      throw Error(ErrorCode::invalid_argument, "stage widths must ascend, found " + std::to_string(stage.width) +
                                                   " after " + std::to_string(previous));
    if (stage.width > plan.rank_width)
      throw Error(ErrorCode::invalid_argument, "stage width " + std::to_string(stage.width) +
                                                   " exceeds the ranking width " + std::to_string(plan.rank_width));
    if (stage.shortlist < options.k || stage.shortlist > 65536)
      throw Error(ErrorCode::invalid_argument, "stage shortlist " + std::to_string(stage.shortlist) +
                                                   " is out of range " + std::to_string(options.k) + "..65536");
    previous = stage.width;
  }
  plan.walk_width =
      plan.graph == nullptr ? options.stages.front().width : std::min(options.stages.front().width, coded);
  if (generation.layout().mixes_codes) plan.walk_width = coded;  // no part of it means anything
  plan.keep = options.stages.front().shortlist;
  for (std::size_t i = 1; i < options.stages.size(); ++i)  // wider than the codes: the exact ranking serves it
    if (options.stages[i].width <= coded && options.stages[i].width > plan.walk_width) plan.rescores.push_back(options.stages[i]);
  plan.rerank = options.stages.back().shortlist;
  // Fewer may be expanded than are kept: for large k what was compared on the way holds most of the neighbours.
  plan.explore = options.candidates_to_explore.value_or(std::max(plan.keep, plan.gap > 0 ? kDefaultPool : 0u));
}

}  // namespace

LadderPlan plan_ladder(const CollectionOptions& collection, const Generation& generation, const SearchOptions& options,
                       const TunedPolicy* tuned) {
  if (options.k < 1 || options.k > kMaxNeighbours)
    throw Error(ErrorCode::invalid_argument,
                "k " + std::to_string(options.k) + " is out of range 1.." + std::to_string(kMaxNeighbours));
  if (options.candidates_to_explore && (*options.candidates_to_explore < 1 || *options.candidates_to_explore > 65536))
    throw Error(
        ErrorCode::invalid_argument,
        "candidates to explore (ef) " + std::to_string(*options.candidates_to_explore) + " is out of range 1..65536");
  if (options.distance_gap && !(*options.distance_gap >= 0 && *options.distance_gap <= 100))
    throw Error(ErrorCode::invalid_argument, "distance gap must lie in 0..100");
  LadderPlan plan;
  plan.rank_width = checked_width(collection, options.width.value_or(collection.dim));
  plan.walk_width = plan.rank_width;
  plan.graph = generation.graph_for(plan.rank_width);
  plan.exact = options.exact || plan.graph == nullptr || generation.rows() == 0;
  if (plan.graph != nullptr) plan.walk_width = std::min(plan.rank_width, plan.graph->width);
  // A prefix ranks that neither codes nor graphs know.
  const bool other_prefix = generation.rotation() != nullptr && !generation.rotates_codes();
  // To explore as many candidates as there are rows is to compare all of them.
  if (options.candidates_to_explore && *options.candidates_to_explore >= generation.rows()) plan.exact = true;
  if (plan.rank_width < collection.dim && (other_prefix || generation.layout().mixes_codes)) plan.exact = true;
  fill_default_policy(plan, options, collection, generation);
  if (options.policy) fill_policy(plan, *options.policy, options.k);
  const bool says_nothing = !options.policy && !options.candidates_to_explore && !options.distance_gap &&
                            options.stages.empty() && plan.rank_width == collection.dim;
  plan.tuned = tuned != nullptr && says_nothing;
  if (plan.tuned) fill_tuned_policy(plan, *tuned, options.k);
  if (!options.stages.empty()) {
    plan.rescores.clear();
    fill_stages(plan, options, collection, generation);
    plan.graph = generation.graph_for(plan.walk_width);
  }
  // Leading bits order too coarsely to rank by: whole codes over the same coordinates come first.
  if (generation.codes().walks_coarse() && plan.rescores.empty())
    plan.rescores.push_back({plan.walk_width, plan.rerank});
  if (generation.layout().walks_rows) {  // nothing is to be compared again
    plan.by_rows = true;
    plan.rescores.clear();
  }
  const std::uint32_t seen = plan.rescores.empty() ? plan.walk_width : plan.rescores.back().width;
  plan.ranks_by_codes = !options.exact_distances && seen == plan.rank_width &&
                        (collection.metric == Metric::l2 || plan.rank_width == collection.dim) && !plan.by_rows;
  plan.keep = std::max(plan.keep, plan.rerank);
  plan.beam = std::min(plan.beam, plan.explore);
  plan.pool = std::max({plan.explore, plan.keep, options.k});
  const auto slots = generation.slots();
  for (const Slot slot : options.entry_slots) {
    const auto at = std::lower_bound(slots.begin(), slots.end(), slot);
    if (at != slots.end() && *at == slot) plan.entries.push_back(static_cast<std::uint32_t>(at - slots.begin()));
  }
  return plan;
}

}  // namespace nestor::index
