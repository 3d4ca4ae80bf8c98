#include "index/deferral.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "index/error.h"

namespace nestor::index {
namespace {

constexpr std::size_t N = kWalkFeatures;
constexpr double kRidge = 1e-3;  // of a standardised feature's variance
using Vector = std::array<double, N>;
using Matrix = std::array<Vector, N>;

// Gaussian elimination; the ridge keeps the pivots away from 0.
Vector solve(Matrix a, Vector b) {
  for (std::size_t i = 0; i < N; ++i) {
    std::size_t pivot = i;
    for (std::size_t r = i + 1; r < N; ++r)
      if (std::abs(a[r][i]) > std::abs(a[pivot][i])) pivot = r;
    std::swap(a[i], a[pivot]);
    std::swap(b[i], b[pivot]);
    for (std::size_t r = i + 1; r < N; ++r) {
      const double factor = a[r][i] / a[i][i];
      for (std::size_t c = i; c < N; ++c) a[r][c] -= factor * a[i][c];
      b[r] -= factor * b[i];
    }
  }
  for (std::size_t i = N; i-- > 0;) {
    for (std::size_t c = i + 1; c < N; ++c) b[i] -= a[i][c] * b[c];
    b[i] /= a[i][i];
  }
  return b;
}

}  // namespace

DeferralRule fit_deferral(std::span<const WalkFeatures> features, std::span<const float> gains) {
  if (features.empty() || features.size() != gains.size())
    throw Error(ErrorCode::invalid_argument, std::to_string(features.size()) + " examples and " +
                                                 std::to_string(gains.size()) + " gains make no regression");
  const auto n = static_cast<double>(features.size());
  Vector mean{}, scale{};
  double mean_gain = 0;
  for (std::size_t q = 0; q < features.size(); ++q) {
    for (std::size_t i = 0; i < N; ++i) mean[i] += static_cast<double>(features[q][i]) / n;
    mean_gain += static_cast<double>(gains[q]) / n;
  }
  for (const WalkFeatures& f : features)
    for (std::size_t i = 0; i < N; ++i) scale[i] += std::pow(static_cast<double>(f[i]) - mean[i], 2) / n;
  for (double& s : scale) s = s > 1e-12 ? std::sqrt(s) : 1;
  Matrix a{};
  Vector b{};
  for (std::size_t q = 0; q < features.size(); ++q) {
    Vector z;
    for (std::size_t i = 0; i < N; ++i) z[i] = (static_cast<double>(features[q][i]) - mean[i]) / scale[i];
    for (std::size_t i = 0; i < N; ++i) {
      for (std::size_t j = 0; j < N; ++j) a[i][j] += z[i] * z[j] / n;
      b[i] += z[i] * (static_cast<double>(gains[q]) - mean_gain) / n;
    }
  }
  for (std::size_t i = 0; i < N; ++i) a[i][i] += kRidge;
  const Vector w = solve(a, b);
  DeferralRule rule;
  double bias = mean_gain;
  for (std::size_t i = 0; i < N; ++i) {
    rule.weights[i] = static_cast<float>(w[i] / scale[i]);
    bias -= w[i] / scale[i] * mean[i];
  }
  rule.bias = static_cast<float>(bias);
  return rule;
}

}  // namespace nestor::index
