#include "index/ladder.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "index/beam_search.h"
#include "index/error.h"
#include "index/row_distance.h"
#include "index/top_k.h"
#include "index/walk_scorer.h"

namespace nestor::index {
namespace {

using Clock = std::chrono::steady_clock;

// Reused by one thread from query to query.
struct LadderScratch {
  WalkScratch walk;
  QueryCode code;
  std::vector<std::uint64_t> candidates;  // key << 32 | row
  std::vector<std::uint32_t> rows;
  std::vector<std::int32_t> sums;
  std::vector<RankedRow> ranked;
  std::vector<std::uint64_t> words;
};

// Collects stage reports; costs nothing when nobody asked.
class Explain {
 public:
  Explain(bool wanted, std::vector<StageReport>& out) : wanted_(wanted), out_(out) {
    if (wanted_) start_ = Clock::now();
  }
  void add(StageReport report) {
    if (!wanted_) return;
    const auto now = Clock::now();
    report.microseconds = std::chrono::duration<double, std::micro>(now - start_).count();
    start_ = now;
    out_.push_back(std::move(report));
  }
  bool wanted() const { return wanted_; }

 private:
  bool wanted_;
  std::vector<StageReport>& out_;
  Clock::time_point start_;
};

void keep_nearest(std::vector<std::uint64_t>& candidates, std::size_t count) {
  if (candidates.size() <= count) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end());
  candidates.resize(count);
}

// Adds the codes at positions [first, last) to every candidate's key; shift: what the band adds to a key's base.
void add_band(const Generation& generation, std::size_t first, std::int64_t shift, std::size_t last, LadderScratch& s) {
  const std::size_t n = s.candidates.size();
  s.rows.resize(n);
  s.sums.resize(n);
  for (std::size_t i = 0; i < n; ++i) s.rows[i] = static_cast<std::uint32_t>(s.candidates[i]);
  generation.codes().sums(s.code, first, last, s.rows.data(), n, s.sums.data());
  for (std::size_t i = 0; i < n; ++i) {
    const auto before = static_cast<std::int64_t>(s.candidates[i] >> 32);
    const std::int64_t key = s.code.is_l2() ? before + s.sums[i] : before + shift - s.sums[i];
    s.candidates[i] = std::uint64_t{PrefixScorer::clamp_key(key)} << 32 | s.rows[i];
  }
}

constexpr float kDefaultGap = 0.2f;  // where the build chose none: recall@10 about 0.997 on real keys
constexpr std::uint32_t kDefaultPool = 400;
// Beyond this k the gap saves nothing: the k-th neighbour is far, and what is evaluated on the way to k neighbours
// is more than k anyway. Expanding 1.25 k candidates finds 0.999 of 1024 neighbours on real keys.
constexpr std::uint32_t kLargeK = 200;

void fill_default_policy(LadderPlan& plan, const SearchOptions& options, const CollectionOptions& collection,
                         const Generation& generation) {
  const std::uint32_t k = options.k;
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
  plan.explore = plan.gap > 0 ? std::max(kDefaultPool, 2 * k) : std::max(100u, 2 * k);
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
  plan.keep = options.stages.front().shortlist;
  for (std::size_t i = 1; i < options.stages.size(); ++i)  // wider than the codes: the exact ranking serves it
    if (options.stages[i].width <= coded) plan.rescores.push_back(options.stages[i]);
  plan.rerank = options.stages.back().shortlist;
  // Fewer may be expanded than are kept: for large k what was compared on the way holds most of the neighbours.
  plan.explore = options.candidates_to_explore.value_or(std::max(plan.keep, plan.gap > 0 ? kDefaultPool : 0u));
}

// A walk counts candidates, dead ones too: they lead on, but the k-th neighbour, the shortlist and the effort are of
// the living. Where a share of the rows is dead, so many more candidates are met before as many living ones are.
// (Measured at 40 % dead rows, before: recall 0.974 instead of 0.991 with a gap, 0.895 instead of 0.909 without.)
WalkLimits limits_of_walk(const LadderPlan& plan, const RowFilter& filter, std::uint32_t k, double live_share) {
  constexpr double kLeastShare = 1.0 / 16;
  const double share = std::clamp(live_share, kLeastShare, 1.0);
  const auto met = [&](std::uint32_t living) {
    return static_cast<std::uint32_t>(std::min(std::ceil(living / share), 65536.0));
  };
  // With a gap the pool is seldom used up, and a longer one would lose its exact order.
  const std::uint32_t most = plan.gap > 0 ? std::max(plan.pool, kSortedPool) : 65536u;
  WalkLimits limits;
  limits.pool = std::max(plan.pool, std::min(met(plan.pool), most));
  limits.explore = std::min(std::max(plan.explore, met(plan.explore)), limits.pool);
  limits.k = std::min(met(k), limits.pool);
  limits.gap = plan.gap;
  limits.deferral = plan.deferral ? &*plan.deferral : nullptr;
  limits.hidden = plan.hidden;
  // A bucket queue keeps no more than it is asked for: what the filter will drop must be kept beside.
  const bool all_count = filter.passes_all() || (!filter.restricts() && walks_in_order(limits));
  limits.keep = all_count ? std::min(met(plan.keep), limits.pool) : limits.pool;
  return limits;
}

// The share of the living among the first candidates of a walk, which are in order.
double live_share_near(const RowFilter& filter, std::size_t count, const LadderScratch& s) {
  const std::size_t n = std::min(count, s.walk.found.size());
  if (n == 0) return 1;
  std::size_t alive = 0;
  for (std::size_t i = 0; i < n; ++i) alive += filter(row_of(s.walk.found[i]));
  return static_cast<double>(alive) / static_cast<double>(n);
}

// The walk; a second one where deaths gather around the query.
WalkCounters walk_among_living(WalkScorer& score, const LadderPlan& plan, const RowFilter& filter, std::uint32_t k,
                               LadderScratch& s) {
  constexpr double kGatheredShare = 0.75;
  const WalkLimits limits = limits_of_walk(plan, filter, k, plan.live_share);
  const WalkCounters walked = walk(plan.graph->graph, score, limits, plan.entries, s.walk);
  if (filter.passes_all() || filter.restricts() || !walks_in_order(limits)) return walked;
  const double share = live_share_near(filter, limits.keep, s);
  if (share >= kGatheredShare * plan.live_share) return walked;
  WalkCounters again = walk(plan.graph->graph, score, limits_of_walk(plan, filter, k, share), plan.entries, s.walk);
  again.evaluations += walked.evaluations;
  again.finished += walked.finished;
  again.hops += walked.hops;
  return again;
}

// The walk's best allowed candidates become the shortlist.
void collect_shortlist(const RowFilter& filter, std::uint32_t keep, LadderScratch& s) {
  s.candidates.clear();
  for (const std::uint64_t found : s.walk.found)
    if (filter(row_of(found))) s.candidates.push_back(std::uint64_t{key_of(found)} << 32 | row_of(found));
  keep_nearest(s.candidates, keep);
}

// Whole codes in place of the leading bits that the walk went by, over the same coordinates.
void refine(const Generation& generation, const Stage& stage, LadderScratch& s) {
  for (std::uint64_t& candidate : s.candidates) candidate = static_cast<std::uint32_t>(candidate);
  add_band(generation, 0, s.code.base(stage.width), generation.quantizer().code_length(stage.width), s);
  keep_nearest(s.candidates, stage.shortlist);
}

// Adds the band between two widths to every candidate's key, keeps the best `shortlist`.
void rescore(const Generation& generation, std::uint32_t from, const Stage& stage, LadderScratch& s) {
  const Quantizer& quantizer = generation.quantizer();
  add_band(generation, quantizer.code_length(from), s.code.base(stage.width) - s.code.base(from),
           quantizer.code_length(stage.width), s);
  keep_nearest(s.candidates, stage.shortlist);
}

std::size_t bytes_per_coordinate(const RowMatrix& matrix) { return matrix.scalar_type == ScalarType::float32 ? 4 : 2; }

constexpr std::size_t kBytesAhead = 3072;  // of exact rows on their way

void prefetch_row(const RowMatrix& matrix, std::uint32_t row, std::size_t width) {
  const std::byte* p = matrix.row(row);
  const std::size_t bytes = std::min<std::size_t>(width * bytes_per_coordinate(matrix), 2048);
  for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(p + b);
}

void rank_exactly(const Generation& generation, RowDistance& distance, std::uint32_t width, std::size_t count,
                  LadderScratch& s) {
  const RowMatrix& matrix = generation.matrix();
  keep_nearest(s.candidates, count);
  count = s.candidates.size();
  s.ranked.clear();
  const std::size_t ahead = std::clamp<std::size_t>(kBytesAhead / (width * bytes_per_coordinate(matrix)), 2, 8);
  for (std::size_t i = 0; i < std::min(ahead, count); ++i)
    prefetch_row(matrix, static_cast<std::uint32_t>(s.candidates[i]), width);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + ahead < count) prefetch_row(matrix, static_cast<std::uint32_t>(s.candidates[i + ahead]), width);
    const auto row = static_cast<std::uint32_t>(s.candidates[i]);
    s.ranked.push_back({row, distance(matrix, row)});
  }
  sort_by_distance(s.ranked, s.words);
}

void rank_by_codes(std::size_t count, LadderScratch& s) {
  keep_nearest(s.candidates, count);
  s.ranked.clear();
  for (const std::uint64_t candidate : s.candidates)
    s.ranked.push_back({static_cast<std::uint32_t>(candidate),
                        s.code.distance_of(static_cast<std::uint32_t>(candidate >> 32))});
  sort_by_distance(s.ranked, s.words);
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
  fill_default_policy(plan, options, collection, generation);
  if (options.policy) fill_policy(plan, *options.policy, options.k);
  const bool says_nothing = !options.policy && !options.candidates_to_explore && !options.distance_gap &&
                            options.stages.empty() && plan.rank_width == collection.dim;
  if (tuned != nullptr && says_nothing) fill_tuned_policy(plan, *tuned, options.k);
  if (!options.stages.empty()) {
    plan.rescores.clear();
    fill_stages(plan, options, collection, generation);
    plan.graph = generation.graph_for(plan.walk_width);
  }
  // Leading bits order too coarsely to rank by: whole codes over the same coordinates come first.
  if (generation.codes().walks_coarse() && plan.rescores.empty())
    plan.rescores.push_back({plan.walk_width, plan.rerank});
  const std::uint32_t seen = plan.rescores.empty() ? plan.walk_width : plan.rescores.back().width;
  plan.ranks_by_codes = !options.exact_distances && seen == plan.rank_width &&
                        (collection.metric == Metric::l2 || plan.rank_width == collection.dim);
  plan.keep = std::max(plan.keep, plan.rerank);
  plan.pool = std::max({plan.explore, plan.keep, options.k});
  const auto slots = generation.slots();
  for (const Slot slot : options.entry_slots) {
    const auto at = std::lower_bound(slots.begin(), slots.end(), slot);
    if (at != slots.end() && *at == slot) plan.entries.push_back(static_cast<std::uint32_t>(at - slots.begin()));
  }
  return plan;
}

RowAnswer search_ladder(const Generation& generation, Metric metric, const PreparedQuery& query, const LadderPlan& plan,
                        const RowFilter& filter, std::uint32_t k, bool explain) {
  thread_local LadderScratch scratch;
  LadderScratch& s = scratch;
  RowAnswer answer;
  Explain report(explain, answer.stages);

  s.code.assign(generation.quantizer(), metric, query.coded());
  WalkScorer score(generation.codes(), generation.quantizer(), s.code, plan.walk_width);
  const CodeMatrix& codes = generation.codes();
  const WalkCounters walked = walk_among_living(score, plan, filter, k, s);
  collect_shortlist(filter, plan.keep, s);
  answer.shortlist = s.candidates.size();
  answer.exit_stage = walked.went_on ? "second look" : walked.stopped_by_gap ? "distance gap" : "candidates explored";
  const std::uint64_t compared =
      walked.evaluations * score.first_coordinates() + walked.finished * score.rest_coordinates();
  report.add({"walk", plan.walk_width, 0, s.candidates.size(), walked.evaluations, compared, 0, answer.exit_stage,
              codes.walks_coarse() ? compared / 2 : compared, walked.features});

  std::uint32_t width = codes.walks_coarse() ? 0 : plan.walk_width;  // coordinates compared by whole codes
  for (const Stage& stage : plan.rescores) {
    const std::size_t before = s.candidates.size();
    if (width == 0)
      refine(generation, stage, s);
    else
      rescore(generation, width, stage, s);
    const std::uint64_t read = static_cast<std::uint64_t>(before) * (stage.width - width);
    report.add({"rescore", stage.width, before, s.candidates.size(), before, read, 0, "shortlist done", read, {}});
    width = stage.width;
  }

  if (plan.ranks_by_codes) {
    rank_by_codes(k, s);
    answer.rows.assign(s.ranked.begin(), s.ranked.end());
    return answer;
  }
  RowDistance distance(generation, metric, query, generation.matrix().dim);
  const std::size_t before = s.candidates.size();
  rank_exactly(generation, distance, plan.rank_width, plan.rerank, s);
  const std::size_t ranked = s.ranked.size();
  if (s.ranked.size() > k) s.ranked.resize(k);
  report.add({"rerank",
              plan.rank_width,
              before,
              s.ranked.size(),
              ranked,
              static_cast<std::uint64_t>(ranked) * plan.rank_width,
              0,
              "shortlist done",
              static_cast<std::uint64_t>(ranked) * plan.rank_width * bytes_per_coordinate(generation.matrix()),
              {}});
  answer.rows.assign(s.ranked.begin(), s.ranked.end());
  return answer;
}

}  // namespace nestor::index
