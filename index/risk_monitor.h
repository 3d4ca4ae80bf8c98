#pragma once
// Watching whether a certified policy keeps its promise: an anytime-valid test of "the risk is at most epsilon".

#include <array>
#include <cstdint>
#include <span>

namespace nestor::index {

// A gambler against the promise. With stakes nu in (0, 1/epsilon) fixed beforehand, K = product of (1 + nu (L -
// epsilon)) is a supermartingale while the risk is at most epsilon, and so is the mean over several nu. It passes
// 1/alpha at any time, over the whole life of the certificate, with probability alpha at most (Ville's inequality): the
// test may be looked at after every query. Losses in 0..1, of queries drawn at random. One object serves one thread.
class RiskMonitor {
 public:
  // alpha: probability of a false alarm, ever. Throws Error invalid_argument for numbers outside (0, 1).
  explicit RiskMonitor(double epsilon, double alpha = 0.01);

  // Returns alarmed().
  bool observe(double loss);
  bool alarmed() const { return alarmed_; }

  std::uint64_t observed() const { return observed_; }
  double mean_loss() const { return observed_ == 0 ? 0 : sum_ / static_cast<double>(observed_); }
  double wealth() const;  // K now; the alarm is at 1 / alpha

 private:
  static constexpr std::array<double, 5> kStakes{0.02, 0.1, 0.3, 0.6, 0.9};  // of 1 / epsilon

  double epsilon_, alpha_;
  std::array<double, kStakes.size()> log_wealth_{};
  std::uint64_t observed_ = 0;
  double sum_ = 0;
  bool alarmed_ = false;
};

}  // namespace nestor::index
