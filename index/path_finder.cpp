#include "index/path_finder.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "index/deferral.h"

namespace nestor::index {
namespace {

constexpr std::size_t kPathLength = 96;
constexpr std::size_t kBases = 8;  // gaps of the plain path that second looks start from
constexpr float kWidenings[] = {1.5f, 2.2f, 3.5f};
constexpr double kQuantiles[] = {0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

// A narrow gap, and the same walk with the wider one.
struct Gamble {
  SearchPolicy policy;
  TrialRun narrow, wide;
  DeferralRule rule;          // fitted to all queries
  std::vector<float> scores;  // of each query, by a rule that has not seen it
};

// Each half is scored by the rule that the other half taught: what a rule saves is then not what it remembers.
std::vector<float> cross_fitted_scores(std::span<const WalkFeatures> features, std::span<const float> gains) {
  const std::size_t half = features.size() / 2;
  if (half == 0) return std::vector<float>(features.size(), 0);
  const DeferralRule by_first = fit_deferral(features.first(half), gains.first(half));
  const DeferralRule by_second = fit_deferral(features.subspan(half), gains.subspan(half));
  std::vector<float> scores;
  for (std::size_t q = 0; q < features.size(); ++q)
    scores.push_back((q < half ? by_second : by_first).score(features[q]));
  return scores;
}

// The share `quantile` of the scores lies above.
float threshold_at(std::vector<float> scores, double quantile) {
  const auto at = static_cast<std::ptrdiff_t>((1 - quantile) * static_cast<double>(scores.size() - 1));
  std::nth_element(scores.begin(), scores.begin() + at, scores.end());
  return scores[static_cast<std::size_t>(at)];
}

MeasuredPolicy gamble_at(const Gamble& g, double quantile) {
  MeasuredPolicy m{g.policy, 0, 0};
  const float threshold = threshold_at(g.scores, quantile);
  const auto n = static_cast<double>(g.scores.size());
  for (std::size_t q = 0; q < g.scores.size(); ++q) {
    const TrialRun& run = g.scores[q] > threshold ? g.wide : g.narrow;
    m.loss += static_cast<double>(run.losses[q]) / n;
    m.cost += static_cast<double>(run.costs[q]) / n;
  }
  std::vector<float> own;
  for (const WalkFeatures& f : g.narrow.features) own.push_back(g.rule.score(f));
  m.policy.deferral = g.rule;
  m.policy.deferral->gap = g.policy.deferral->gap;
  m.policy.deferral->threshold = threshold_at(std::move(own), quantile);
  return m;
}

// The cheapest on a path whose loss keeps to epsilon; the safest otherwise.
std::size_t representative(const std::vector<MeasuredPolicy>& path, double epsilon) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < path.size(); ++i)
    if (path[i].loss <= epsilon && path[i].cost < path[best].cost) best = i;
  return best;
}

// What a unit of loss is worth in cost where a path stands: its slope there.
double price_of_loss(const std::vector<MeasuredPolicy>& path, std::size_t at) {
  const std::size_t low = at == 0 ? 0 : at - 1, high = std::min(path.size() - 1, at + 1);
  const double loss = path[high].loss - path[low].loss, cost = path[low].cost - path[high].cost;
  return loss > 0 ? std::max(0.0, cost / loss) : 0;
}

}  // namespace

PathFinder::PathFinder(const PolicySpace& space, const PolicyTrial& a, Progress progress)
    : space_(space), a_(a), progress_(std::move(progress)) {
  if (!progress_) progress_ = [](const char*, std::size_t, std::size_t) {};
}

PathFinder::Tried PathFinder::try_out(const SearchPolicy& policy) {
  const TrialRun run = a_.run(policy);
  ++runs_;
  return {policy, run.figures, run.mean_cost()};
}

std::vector<MeasuredPolicy> PathFinder::measured() const {
  std::vector<MeasuredPolicy> out;
  for (const Tried& t : tried_) out.push_back({t.policy, t.figures.loss, t.cost});
  return out;
}

const std::vector<MeasuredPolicy>& PathFinder::plain_path() {
  safest_ = try_out(safe_policy(space_));
  const auto candidates = candidate_policies(space_);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    tried_.push_back(try_out(candidates[i]));
    progress_("trying policies", i + 1, candidates.size());
  }
  plain_ = policy_path(measured_safest(), measured(), kPathLength);
  return plain_;
}

std::vector<MeasuredPolicy> PathFinder::learnt_path() {
  std::vector<SearchPolicy> bases;
  for (const MeasuredPolicy& m : plain_)
    if (m.policy.gap > 0) bases.push_back(m.policy);
  std::vector<MeasuredPolicy> all = measured();
  const std::size_t step = std::max<std::size_t>(1, (bases.size() + kBases - 1) / kBases);
  for (std::size_t i = 0; i < bases.size(); i += step) {
    for (const float widening : kWidenings) add_second_looks(bases[i], widening, all);
    progress_("learning", std::min(i + step, bases.size()), bases.size());
  }
  return policy_path(measured_safest(), std::move(all), kPathLength);
}

void PathFinder::add_second_looks(const SearchPolicy& base, float widening, std::vector<MeasuredPolicy>& out) {
  Gamble g{base, {}, {}, {}, {}};
  g.policy.deferral.emplace().gap = base.gap * widening;
  g.policy.deferral->threshold = FLT_MAX;
  g.narrow = a_.run(g.policy);
  g.policy.deferral->threshold = -FLT_MAX;
  g.wide = a_.run(g.policy);
  runs_ += 2;
  std::vector<float> gains;
  for (std::size_t q = 0; q < g.narrow.losses.size(); ++q) gains.push_back(g.narrow.losses[q] - g.wide.losses[q]);
  g.rule = fit_deferral(g.narrow.features, gains);
  g.scores = cross_fitted_scores(g.narrow.features, gains);
  for (const double quantile : kQuantiles) out.push_back(gamble_at(g, quantile));
}

DeferralVerdict PathFinder::judge(const PolicyTrial& c, const std::vector<MeasuredPolicy>& learnt,
                                  std::span<const double> epsilons) const {
  DeferralVerdict verdict;
  verdict.tried = true;
  std::vector<double> saving(c.count(), 0);
  for (const double epsilon : epsilons) {
    const std::size_t p = representative(plain_, epsilon), l = representative(learnt, epsilon);
    const double price = price_of_loss(plain_, p);
    const TrialRun by_plain = c.run(plain_[p].policy), by_learnt = c.run(learnt[l].policy);
    const double scale = by_plain.mean_cost() * static_cast<double>(epsilons.size());
    for (std::size_t q = 0; q < saving.size(); ++q)
      saving[q] += (static_cast<double>(by_plain.costs[q] - by_learnt.costs[q]) +
                    price * static_cast<double>(by_plain.losses[q] - by_learnt.losses[q])) /
                   scale;
  }
  const auto n = static_cast<double>(saving.size());
  if (saving.size() < 2) return verdict;
  double squares = 0;
  for (const double s : saving) verdict.saving += s / n;
  for (const double s : saving) squares += (s - verdict.saving) * (s - verdict.saving);
  const double error = std::sqrt(squares / (n - 1) / n);
  verdict.standard_errors = error > 0 ? verdict.saving / error : 0;
  verdict.shipped = verdict.standard_errors > 2;
  return verdict;
}

PolicyFigures PathFinder::figures(const SearchPolicy& policy) {
  if (policy == safest_.policy) return safest_.figures;
  for (const auto* list : {&tried_, &learnt_})
    for (const Tried& t : *list)
      if (t.policy == policy) return t.figures;
  learnt_.push_back(try_out(policy));
  return learnt_.back().figures;
}

SearchPolicy PathFinder::fixed_as_good_as(double loss) const {
  const Tried* best = &safest_;
  for (const Tried& t : tried_)
    if (t.policy.gap == 0 && t.figures.loss <= loss && t.cost < best->cost) best = &t;
  return best->policy;
}

}  // namespace nestor::index
