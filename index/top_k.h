#pragma once
// Keeps the k smallest (distance, number) pairs of a stream, ties to the smaller number.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace nestor::index {

// Collects up to 2k candidates below a threshold, then cuts to k: amortised O(1) an offer, and one comparison for
// most offers of a long stream.
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) { kept_.reserve(2 * k + 1); }

  void offer(float distance, std::uint32_t number) {
    if (!(distance <= limit_)) return;  // NaN is no distance
    kept_.emplace_back(distance, number);
    if (kept_.size() > 2 * k_) cut();
  }

  // Nearest first. The object is used up.
  std::vector<std::pair<float, std::uint32_t>> take() {
    cut();
    std::sort(kept_.begin(), kept_.end());
    return std::move(kept_);
  }

 private:
  void cut() {
    if (kept_.size() <= k_ || k_ == 0) return;
    std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1), kept_.end());
    kept_.resize(k_);
    limit_ = kept_.back().first;
  }

  std::size_t k_;
  float limit_ = std::numeric_limits<float>::infinity();
  std::vector<std::pair<float, std::uint32_t>> kept_;
};

}  // namespace nestor::index
