#pragma once
// When ranking may end. Candidates come by an estimate of their distance (of codes, of a prefix) and each is measured
// better; what the two differ by is learnt from those measured so far, query by query, since the coding of the query is
// common to all of them. A candidate is expected among the k nearest only while its estimate, moved by the mean
// difference and a number of standard deviations, is below the k-th best measured.
//
// Estimates and values are lengths (square roots of squared distances), in which rounding errs alike near and far; for
// dot they are products.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace nestor::index {

class RankingEnd {
 public:
  // deviations: how many; 0: none is expected beyond those that come first.
  void start(std::size_t k, double deviations) {
    k_ = k;
    deviations_ = deviations;
    nearest_.clear();
    count_ = mean_ = squares_ = 0;
  }

  void add(double estimate, double value) {
    if (!(value < std::numeric_limits<double>::infinity())) return;  // nothing is learnt from what overflowed
    const double difference = value - estimate;
    count_ += 1;
    const double from_mean = difference - mean_;
    mean_ += from_mean / count_;
    squares_ += from_mean * (difference - mean_);
    if (nearest_.size() == k_) {
      if (value >= nearest_.front()) return;
      std::pop_heap(nearest_.begin(), nearest_.end());
      nearest_.pop_back();
    }
    nearest_.push_back(value);
    std::push_heap(nearest_.begin(), nearest_.end());
  }

  // The largest estimate that may matter.
  double horizon() const {
    if (nearest_.size() < k_ || count_ < 2) return std::numeric_limits<double>::infinity();
    return nearest_.front() - mean_ + deviations_ * std::sqrt(squares_ / (count_ - 1));
  }

 private:
  std::size_t k_ = 1;
  double deviations_ = 0;
  std::vector<double> nearest_;  // a heap, the k-th in front
  double count_ = 0, mean_ = 0, squares_ = 0;
};

}  // namespace nestor::index
