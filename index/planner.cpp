#include "index/planner.h"

#include <algorithm>

namespace nestor::index {
namespace {

constexpr double kWalkStart = 5000, kEvaluation = 40, kEvaluationByte = 0.25, kPoolEntry = 0.02, kRankedRow = 350;
constexpr double kScanStart = 15000, kSurvivors = 500;              // the latter for each of the k
constexpr double kAloneRow = 4, kAloneByte = 0.045;                 // one query, rows in order
constexpr double kAloneGatheredRow = 20, kAloneGatheredByte = 0.1;  // ... rows picked from all over
constexpr double kPackRow = 3, kPackByte = 0.1;                     // once a batch
constexpr double kPackGatheredRow = 25, kPackGatheredByte = 0.15;
constexpr double kPackedRow = 1.2, kPackedByte = 0.013;  // each query of the batch
constexpr double kTwoCodes = 1.8;                        // times the arithmetic of one, where steps differ
constexpr double kExactRow = 5, kExactByte = 0.06;       // no codes

// A scan that takes no longer than this is about what a caller waits for the way there and back (a local HTTP request 0.15
// to 0.2 ms, a Python client more), and it misses nothing.
constexpr double kCheapScan = 500'000;

constexpr double kMostExplored = 65536, kLeastExplored = 100;
constexpr double kShortlists = 1.5;
constexpr std::size_t kScannedTogether = 64;

std::size_t bytes_per_coordinate(ScalarType type) { return type == ScalarType::float32 ? 4 : 2; }

bool asked_for_a_walk(const SearchOptions& search) {
  return search.candidates_to_explore || search.distance_gap || search.policy || !search.stages.empty() ||
         !search.entry_slots.empty() || !search.exact_distances;
}

void fit_to_filter(LadderPlan& plan, const Generation& generation, const SearchOptions& search, std::size_t allowed) {
  if (search.candidates_to_explore || search.distance_gap || search.policy) return;
  const double share = static_cast<double>(allowed) / static_cast<double>(generation.rows());
  const double explore = kShortlists * plan.keep / std::clamp(share, 1e-9, 1.0);
  plan.gap = 0;
  plan.explore = static_cast<std::uint32_t>(std::clamp(explore, kLeastExplored, kMostExplored));
  plan.pool = std::max({plan.explore, plan.keep, search.k});
}

}  // namespace

double walk_cost(const Generation& generation, const LadderPlan& plan, std::uint32_t k) {
  const WalkEffort& effort = plan.graph->effort;
  double evaluations = effort.evaluations(plan.explore);
  if (plan.gap > 0) evaluations = std::min(evaluations, effort.evaluations_to_gap(k));
  const double whole = static_cast<double>(generation.quantizer().code_length(plan.walk_width));
  const double length = generation.layout().walks_rows
                            ? static_cast<double>(plan.walk_width * bytes_per_coordinate(generation.matrix().scalar_type))
                            : generation.codes().walks_coarse() ? whole / 2
                                                                : whole;
  return kWalkStart + evaluations * (kEvaluation + kEvaluationByte * length + kPoolEntry * plan.pool) +
         kRankedRow * plan.rerank;
}

double scan_cost(const Generation& generation, std::uint32_t width, const PlannedQueries& queries) {
  const auto rows = static_cast<double>(queries.allowed);
  if (!queries.by_codes) {
    const double bytes = static_cast<double>(width) * (generation.matrix().scalar_type == ScalarType::float32 ? 4 : 2);
    return rows * (kExactRow + kExactByte * bytes);
  }
  const Quantizer& quantizer = generation.quantizer();
  const auto length =
      static_cast<double>(quantizer.code_length(std::min(width, static_cast<std::uint32_t>(quantizer.dim()))));
  const bool gathered = queries.allowed * 5 < generation.rows() * 4;
  double row = 0;
  if (queries.count == 1) {
    row = gathered ? kAloneGatheredRow + kAloneGatheredByte * length : kAloneRow + kAloneByte * length;
  } else {
    const double pack = gathered ? kPackGatheredRow + kPackGatheredByte * length : kPackRow + kPackByte * length;
    const double codes = quantizer.shares_step() ? 1.0 : kTwoCodes;
    row = codes * (kPackedRow + kPackedByte * length) + pack / static_cast<double>(std::min(queries.count, kScannedTogether));
  }
  return kScanStart + rows * row + kSurvivors * queries.k;
}

void plan_walk_or_scan(LadderPlan& plan, const Generation& generation, const SearchOptions& search,
                       const PlannedQueries& queries) {
  if (plan.exact) return;
  if (queries.filtered) {
    fit_to_filter(plan, generation, search, queries.allowed);
  } else if (asked_for_a_walk(search)) {
    // Where no walk finds enough, one that costs more than comparing all rows is not what anyone asks for.
    const bool only_effort = search.candidates_to_explore && !search.distance_gap && !search.policy && search.stages.empty() &&
                             search.entry_slots.empty();
    plan.exact = only_effort && generation.default_policy() && generation.default_policy()->scans &&
                 scan_cost(generation, plan.rank_width, queries) < walk_cost(generation, plan, queries.k);
    return;
  }
  const double scan = scan_cost(generation, plan.rank_width, queries);
  plan.exact = scan < walk_cost(generation, plan, queries.k);
  if (plan.exact || plan.tuned || asked_for_a_walk(search)) return;
  const bool walks_miss = generation.default_policy() && generation.default_policy()->scans;
  plan.exact = scan < kCheapScan || walks_miss;
}

}  // namespace nestor::index
