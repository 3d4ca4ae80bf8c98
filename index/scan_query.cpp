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
                     std::size_t dim)
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
  error_unit_ = static_cast<float>(bound.unit() * (dot_ ? query_norm_ : 1.0));
  signed_.assign(quantizer.code_length(static_cast<std::uint32_t>(width)), 0);
  if (dot_)
    code_dot(quantizer, query.coded(), width);
  else
    code_l2(quantizer, query.coded(), width);
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
  query_error_ = std::sqrt(error) + turned_;
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
  limits[CodeBound::kUnknown] = std::numeric_limits<std::int32_t>::max();
  if (dot_) {
    const double most = distance + absolute_ + dot_base_ + query_error_ * bound_->reach();
    for (int e = 0; e < CodeBound::kUnknown; ++e) {  // -q.x <= distance: sum >= -(most + |q| error) / unit
      const double sum = (most + query_norm_ * bound_->error(static_cast<std::uint8_t>(e))) / dot_unit_;
      limits[static_cast<std::size_t>(e)] = to_key(2 * sum + 1e-6 * std::fabs(sum) + 1);
    }
    return;
  }
  const double squared =
      cosine_ ? 2 * (distance + absolute_) + bound_->norm_slack() + std::fabs(query_norm_ * query_norm_ - 1) : distance;
  const double radius = std::sqrt(std::max(squared, 0.0) * (1 + relative_)) + query_error_ + turned_;
  for (int e = 0; e < CodeBound::kUnknown; ++e) {
    const double steps = (radius + bound_->error(static_cast<std::uint8_t>(e))) / step_;
    limits[static_cast<std::size_t>(e)] = to_key(steps * steps * (1 + 1e-9) - static_cast<double>(own_) + 1);
  }
}

double ScanQuery::upper(float worst) const {
  if (std::isinf(worst)) return std::numeric_limits<double>::infinity();
  const double rounded = worst + 1e-6 * std::fabs(worst);  // worst() is computed in float
  if (dot_) return rounded - dot_base_ + query_error_ * bound_->reach() + absolute_ + 1e-9 * std::fabs(dot_base_);
  const double d = rounded + query_error_ + turned_;
  if (!cosine_) return d * d * (1 + relative_);
  return (d * d + bound_->norm_slack() + std::fabs(query_norm_ * query_norm_ - 1)) / 2 + absolute_;
}

}  // namespace nestor::index
