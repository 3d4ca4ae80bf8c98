#include "index/scan_query.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/distance.h"

namespace nestor::index {
namespace {

constexpr double kLast = std::numeric_limits<std::int32_t>::max(), kFirst = std::numeric_limits<std::int32_t>::min();
constexpr double kQuerySteps = 63;

std::int32_t to_key(double x) { return static_cast<std::int32_t>(std::clamp(std::floor(x), kFirst, kLast)); }

}  // namespace

bool ScanQuery::serves(Metric metric, std::size_t width, std::size_t dim, std::size_t coded) {
  if (coded == 0) return false;
  if (metric == Metric::cosine) return width == dim;
  return metric == Metric::l2 || width <= coded;
}

ScanQuery::ScanQuery(const Quantizer& quantizer, const CodeBound& bound, Metric metric, const PreparedQuery& query,
                     std::size_t dim, ScanMargin margin)
    : bound_(&bound), dot_(metric == Metric::dot), cosine_(metric == Metric::cosine) {
  const std::size_t width = std::min<std::size_t>(query.width, quantizer.dim());
  whole_ = query.width <= quantizer.dim();
  step_ = quantizer.step(0);
  double norm = 0;
  for (const float x : query.values) norm += static_cast<double>(x) * x;
  query_norm_ = std::sqrt(norm);
  const double rounding = (static_cast<double>(dim) + 8) * 0x1p-23;
  relative_ = rounding;
  absolute_ = rounding * query_norm_ * bound.norm();
  turned_ =
      query.rotated.empty() ? 0 : rounding * std::sqrt(static_cast<double>(width)) * (query_norm_ + 2 * bound.norm());
  signed_.assign(quantizer.code_length(static_cast<std::uint32_t>(width)), 0);
  if (dot_)
    code_dot(quantizer, query.coded(), width);
  else
    code_l2(quantizer, query.coded(), width);
  fill_slack(margin, width, quantizer.dim());
}

void ScanQuery::fill_slack(ScanMargin margin, std::size_t width, std::size_t coded) {
  constexpr double kDeviations = 6;
  const double by_query = query_error_ * (dot_ ? bound_->reach() : 1.0), scale = dot_ ? query_norm_ : 1.0;
  for (std::size_t e = 0; e + 1 < kClasses; ++e) {
    const double error = bound_->error(static_cast<std::uint8_t>(4 * e + 3)), by_row = scale * error;
    double slack = by_query + by_row;
    if (margin == ScanMargin::trusted) {
      const double along =
          by_query * by_query / static_cast<double>(width) + by_row * by_row / static_cast<double>(coded);
      slack = std::min(slack, kDeviations * std::sqrt(along));
      if (!dot_) bias_[e] = static_cast<float>(error * error + query_error_ * query_error_);
    }
    slack_[e] = static_cast<float>((slack + turned_) * (1 + 1e-6));
  }
  slack_[class_of(CodeBound::kUnknown)] = std::numeric_limits<float>::infinity();
}

void ScanQuery::code_l2(const Quantizer& quantizer, const float* query, std::size_t width) {
  std::vector<std::uint8_t> whole(quantizer.row_length());
  quantizer.encode(query, whole.data());
  code_.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(signed_.size()));
  for (std::size_t i = 0; i < code_.size(); ++i) {
    signed_[i] = static_cast<std::int8_t>(code_[i] - 64);
    own_ += std::int64_t{code_[i]} * code_[i];
  }
  double error = 0;
  for (std::size_t j = 0; j < width; ++j) {
    const double decoded = quantizer.offset(j) + step_ * code_[quantizer.position(j)];
    error += (query[j] - decoded) * (query[j] - decoded);
  }
  query_error_ = std::sqrt(error);
}

void ScanQuery::code_dot(const Quantizer& quantizer, const float* query, std::size_t width) {
  double largest = 1e-30;
  for (std::size_t j = 0; j < width; ++j) largest = std::max(largest, std::fabs(static_cast<double>(query[j])));
  const double alpha = kQuerySteps / largest;
  double error = 0, base = 0, sum = 0;
  for (std::size_t j = 0; j < width; ++j) {
    const double s = std::nearbyint(query[j] * alpha);
    signed_[quantizer.position(j)] = static_cast<std::int8_t>(s);
    sum += s;
    error += (query[j] - s / alpha) * (query[j] - s / alpha);
    base += query[j] * (quantizer.offset(j) + 64 * step_);
  }
  query_error_ = std::sqrt(error);
  dot_unit_ = step_ / alpha;
  dot_base_ = base - 64 * sum * dot_unit_;  // q.mid + (s / alpha).(decode - mid)
}

void ScanQuery::keys(const simd::CodeBatch& batch, std::size_t first, std::int32_t* sums) const {
  if (dot_)
    kernels().dot_codes(signed_.data() + first, batch, sums);
  else
    kernels().l2_codes(code_.data() + first, batch, sums);
}

void ScanQuery::limits_within(double distance, KeyLimits& limits) const {
  limits[class_of(CodeBound::kUnknown)] = std::numeric_limits<std::int32_t>::max();
  if (dot_) {
    for (std::size_t e = 0; e + 1 < kClasses; ++e) {  // -q.x <= distance: sum >= -(distance + base + slack) / unit
      const double sum = (distance + absolute_ + dot_base_ + slack_[e]) / dot_unit_;
      limits[e] = to_key(2 * sum + 1e-6 * std::fabs(sum) + 1);
    }
    return;
  }
  const double squared =
      (cosine_ ? 2 * (distance + absolute_) + bound_->norm_slack() + std::fabs(query_norm_ * query_norm_ - 1)
               : distance);
  const double radius = std::max(squared, 0.0) * (1 + relative_);
  for (std::size_t e = 0; e + 1 < kClasses; ++e) {
    const double steps = (std::sqrt(radius + bias_[e]) + slack_[e]) / step_;
    limits[e] = to_key(steps * steps * (1 + 1e-9) - static_cast<double>(own_) + 1);
  }
}

double ScanQuery::upper(float worst) const {
  if (std::isinf(worst)) return std::numeric_limits<double>::infinity();
  const double rounded = worst + 1e-6 * std::fabs(worst);  // worst() is computed in float
  if (dot_) return rounded - dot_base_ + absolute_ + 1e-9 * std::fabs(dot_base_);
  if (!cosine_) return rounded * rounded * (1 + relative_);
  return (rounded * rounded + bound_->norm_slack() + std::fabs(query_norm_ * query_norm_ - 1)) / 2 + absolute_;
}

}  // namespace nestor::index
