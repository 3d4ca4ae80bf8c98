#include "index/policy_choice.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace nestor::index {
namespace {

constexpr double kWorthwhile = 0.002;   // recall that a wider gap has to gain
constexpr float kCautiousGap = 0.20f;   // recall@10 about 0.997 on real keys
constexpr float kLeastGap = 0.06f;
constexpr double kManyLess = 0.01;      // recall@100 may be below the wanted one by this
constexpr std::size_t kManyAsked = 200;
constexpr float kDeep = 0.5f;

struct Depth {
  float gap;
  std::uint32_t explore, beam;
};
// From cheap to dear. Where groups of rows lie apart, the greedy way down ends in the wrong one now and then, and no gap
// leads out of it: later ones come down by a beam.
constexpr Depth kDepths[] = {
    {0.01f, 400, 1},  {0.02f, 400, 1},  {0.04f, 400, 1},  {kLeastGap, 400, 1}, {0.08f, 400, 1}, {0.10f, 400, 1},
    {0.13f, 400, 1},  {0.16f, 400, 1},  {0.20f, 400, 1},  {0.25f, 400, 1},     {0.32f, 400, 1}, {0.25f, 400, 32},
    {0.40f, 400, 32}, {0.60f, 400, 32}, {0.60f, 600, 32}, {1.00f, 600, 32},    {1.00f, 800, 64},
    {1.00f, 1200, 64}, {1.00f, 1600, 64}};
constexpr std::size_t kFirstAsked = 96;
constexpr double kFarBelow = 0.02, kMostUnsure = 0.1;

// One generation and what it is asked.
class PolicyChoice {
 public:
  PolicyChoice(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
               const RecallQuestions& asked, double wanted, unsigned threads)
      : generation_(generation), options_(options), dead_(dead), asked_(asked), wanted_(wanted), threads_(threads) {}

  DefaultPolicy choose() const {
    // Where even the deepest of them stays far below, nothing between is worth a try.
    const Depth& deepest = kDepths[std::size(kDepths) - 1];
    if (far_below(measure(deepest, kAskedNeighbours, kFirstAsked)))
      return policy_of(deepest, measure(deepest, kAskedNeighbours, kFirstAsked));
    std::vector<DefaultPolicy> tried;
    for (const Depth& depth : kDepths) {
      // Where rows differ in length, products are far from the largest there could be, and a little of it is much.
      if (depth.gap < kLeastGap && options_.metric != Metric::dot) continue;
      if (far_below(measure(depth, kAskedNeighbours, kFirstAsked))) continue;
      DefaultPolicy policy = policy_of(depth, measure(depth, kAskedNeighbours, asked_.questions.size()));
      policy.reached = static_cast<double>(policy.low) >= wanted_ &&
                       (!asked_.answers_many ||
                        measure(depth, kAskedMany, kManyAsked).recall >= wanted_ - kManyLess);
      if (policy.reached) return policy;
      tried.push_back(std::move(policy));
    }
    if (tried.empty()) return policy_of(deepest, measure(deepest, kAskedNeighbours, kFirstAsked));
    // What is missing is lost elsewhere, in the graph or between codes and rows, and the widest gap would cost much and
    // gain nothing; but queries may lie farther from the rows than rows do.
    const auto best = std::max_element(tried.begin(), tried.end(), [](const DefaultPolicy& a, const DefaultPolicy& b) {
      return a.measured_recall < b.measured_recall;
    });
    return *std::find_if(tried.begin(), tried.end(), [&](const DefaultPolicy& policy) {
      return policy.gap >= std::min(kCautiousGap, best->gap) &&
             policy.measured_recall >= best->measured_recall - kWorthwhile;
    });
  }

 private:
  MeasuredRecall measure(const Depth& depth, std::uint32_t k, std::size_t count) const {
    SearchOptions search;
    search.k = k;
    LadderPlan plan = plan_ladder(options_, generation_, search);
    plan.exact = false;
    plan.gap = depth.gap;
    plan.explore = std::max(depth.explore, 2 * k);
    plan.beam = depth.beam;
    plan.pool = std::max(plan.keep, plan.explore);
    return measure_recall(generation_, options_, dead_, asked_, plan, k, count, threads_);
  }

  // A search that must be answered by a scan after all is right, but dear.
  bool far_below(const MeasuredRecall& found) const {
    return found.recall < wanted_ - kFarBelow || found.unsure > kMostUnsure;
  }

  DefaultPolicy policy_of(const Depth& depth, const MeasuredRecall& found) const {
    DefaultPolicy policy;
    policy.gap = depth.gap;
    policy.explore = depth.explore;
    policy.beam = depth.beam;
    policy.wanted_recall = static_cast<float>(wanted_);
    policy.measured_recall = static_cast<float>(found.recall);
    policy.low = static_cast<float>(found.low);
    policy.high = static_cast<float>(found.high);
    policy.evaluations = found.evaluations;
    policy.queries = static_cast<std::uint32_t>(found.questions);
    policy.asked_queries = !asked_.questions.empty() && asked_.questions.front().row == kNoSlot;
    return policy;
  }

  const Generation& generation_;
  const CollectionOptions& options_;
  const DeadSlots& dead_;
  const RecallQuestions& asked_;
  double wanted_;
  unsigned threads_;
};

}  // namespace

bool goes_deep(const DefaultPolicy& policy) { return !policy.reached || policy.gap > kDeep; }

DefaultPolicy choose_policy(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
                            const RecallQuestions& asked, double wanted_recall, unsigned threads) {
  return PolicyChoice(generation, options, dead, asked, wanted_recall, threads).choose();
}

}  // namespace nestor::index
