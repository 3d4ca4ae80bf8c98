#pragma once
// From the first split to the path that calibration tests: which policies are worth testing, from safe to cheap.

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "index/calibrator.h"
#include "index/policy_trial.h"
#include "index/search_policy.h"

namespace nestor::index {

class PathFinder {
 public:
  using Progress = std::function<void(const char* phase, std::size_t done, std::size_t total)>;

  // `a` must outlive this.
  PathFinder(const PolicySpace& space, const PolicyTrial& a, Progress progress = {});

  // Tries the safe policy and every candidate on `a`.
  const std::vector<MeasuredPolicy>& plain_path();
  // Second looks on top of the plain path's gaps, learnt and measured on `a` by cross-fitting. The plain path where it
  // has no gaps. REQUIRES: plain_path.
  std::vector<MeasuredPolicy> learnt_path();
  // For each epsilon the policy of each path that `a` would choose, compared on other queries: cost, and loss at the
  // price that the plain path pays for it. REQUIRES: plain_path.
  DeferralVerdict judge(const PolicyTrial& c, const std::vector<MeasuredPolicy>& learnt,
                        std::span<const double> epsilons) const;

  const SearchPolicy& safest() const { return safest_.policy; }
  // On `a`, measured now where it was not before.
  PolicyFigures figures(const SearchPolicy& policy);
  // The cheapest policy of fixed depth that lost no more on `a`.
  SearchPolicy fixed_as_good_as(double loss) const;
  std::size_t tried() const { return runs_; }

 private:
  struct Tried {
    SearchPolicy policy;
    PolicyFigures figures;
    double cost = 0;
  };

  Tried try_out(const SearchPolicy& policy);
  void add_second_looks(const SearchPolicy& base, float widening, std::vector<MeasuredPolicy>& out);
  MeasuredPolicy measured_safest() const { return {safest_.policy, safest_.figures.loss, safest_.cost}; }
  std::vector<MeasuredPolicy> measured() const;

  const PolicySpace space_;
  const PolicyTrial& a_;
  Progress progress_;
  Tried safest_;
  std::vector<Tried> tried_;  // candidates, without learnt parts
  std::vector<Tried> learnt_;
  std::vector<MeasuredPolicy> plain_;
  std::size_t runs_ = 0;
};

}  // namespace nestor::index
