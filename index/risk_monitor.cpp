#include "index/risk_monitor.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "index/error.h"

namespace nestor::index {

RiskMonitor::RiskMonitor(double epsilon, double alpha) : epsilon_(epsilon), alpha_(alpha) {
  for (const double p : {epsilon, alpha})
    if (!(p > 0 && p < 1))
      throw Error(ErrorCode::invalid_argument,
                  "epsilon and alpha must lie between 0 and 1, found " + std::to_string(p));
}

bool RiskMonitor::observe(double loss) {
  if (!(loss >= 0 && loss <= 1))
    throw Error(ErrorCode::invalid_argument, "loss " + std::to_string(loss) + " is out of range 0..1");
  ++observed_;
  sum_ += loss;
  for (std::size_t i = 0; i < kStakes.size(); ++i)
    log_wealth_[i] += std::log1p(kStakes[i] / epsilon_ * (loss - epsilon_));
  alarmed_ |= wealth() >= 1 / alpha_;
  return alarmed_;
}

double RiskMonitor::wealth() const {
  double sum = 0;
  for (const double w : log_wealth_) sum += std::exp(std::min(w, 700.0)) / static_cast<double>(kStakes.size());
  return sum;
}

}  // namespace nestor::index
