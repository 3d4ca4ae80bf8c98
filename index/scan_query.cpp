#include "index/scan_query.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "index/distance.h"

namespace nestor::index {
namespace {

constexpr double kLast = std::numeric_limits<std::int32_t>::max(), kFirst = std::numeric_limits<std::int32_t>::min();
constexpr double kQuerySteps = 63, kMostQuerySteps = 63 * 64 - 1;
constexpr double kMostSum = 1 << 29;  // of two codes; a key is twice as much

std::int32_t to_key(double x) { return static_cast<std::int32_t>(std::clamp(std::floor(x), kFirst, kLast)); }

bool goes_by_product(const Quantizer& quantizer, Metric metric) {
  return metric == Metric::dot || (metric == Metric::cosine && !quantizer.shares_step());
}

}  // namespace

bool ScanQuery::serves(const Quantizer& quantizer, const CodeBound& bound, Metric metric, std::size_t width,
                       std::size_t dim) {
  if (quantizer.dim() == 0 || bound.empty()) return false;
  if (metric == Metric::cosine && width != dim) return false;
  if (!goes_by_product(quantizer, metric)) return quantizer.shares_step();
  return width <= quantizer.dim() && (quantizer.shares_step() || bound.code_reach() > 0);
}

ScanQuery::ScanQuery(const Quantizer& quantizer, const CodeBound& bound, Metric metric, const PreparedQuery& query,
                     std::size_t dim, ScanMargin margin)
    : bound_(&bound), product_(goes_by_product(quantizer, metric)), cosine_(metric == Metric::cosine) {
  const std::size_t width = std::min<std::size_t>(query.width, quantizer.dim());
  whole_ = query.width <= quantizer.dim();
  step_ = quantizer.step(0);
  double norm = 0;
  for (const float x : query.values) norm += static_cast<double>(x) * x;
  query_norm_ = std::sqrt(norm);
  const double rounding = (static_cast<double>(dim) + 8) * 0x1p-23;
  relative_ = rounding;
  absolute_ = rounding * query_norm_ * bound.norm();
  if (query.uneven_rows) absolute_ += bound.norm_slack();  // | 1 / |x| - 1 | |q.x| is less
  turned_ =
      query.turned.empty() ? 0 : rounding * std::sqrt(static_cast<double>(width)) * (query_norm_ + 2 * bound.norm());
  signed_.assign(quantizer.code_length(static_cast<std::uint32_t>(width)), 0);
  if (product_)
    code_product(quantizer, query.coded(), width);
  else
    code_l2(quantizer, query.coded(), width);
  fill_slack(margin, quantizer, width);
}

void ScanQuery::fill_slack(ScanMargin margin, const Quantizer& quantizer, std::size_t width) {
  constexpr double kDeviations = 6;
  constexpr double kMostByRounding = 1.5;  // of the mean square error; what is more comes of clipping
  const auto coded = static_cast<double>(quantizer.dim());
  double rounding = 0;  // mean square error of a code whose coordinates are only rounded
  for (std::size_t j = 0; j < quantizer.dim(); ++j)
    rounding += static_cast<double>(quantizer.step(j)) * quantizer.step(j) / 12;
  // A square error as rounding, whose direction is random, and the length of what was clipped. An outlier is clipped
  // towards the middle, which is no random direction at all: it counts in full.
  const auto split = [&](double square, double by_rounding) {
    const bool clipped = square > kMostByRounding * by_rounding;
    return std::pair(clipped ? by_rounding : square, clipped ? std::sqrt(square - by_rounding) : 0.0);
  };
  const double width_share = static_cast<double>(width) / coded;
  const auto [query_square, query_clipped] =
      product_ ? std::pair(query_error_ * query_error_, 0.0) : split(query_error_ * query_error_, rounding * width_share);
  for (std::size_t e = 0; e + 1 < kClasses; ++e) {
    const double error = bound_->error(static_cast<std::uint8_t>(4 * e + 3));
    const double weight = product_ ? query_norm_ : 1;
    double slack = query_error_ + weight * error;
    if (margin == ScanMargin::trusted) {
      const auto [row_square, row_clipped] = split(error * error, rounding);
      const double of_query = query_square / static_cast<double>(width);
      const double of_row = product_ ? row_weight_ * row_weight_ * row_square : row_square / coded;
      slack = std::min(slack, kDeviations * std::sqrt(of_query + of_row) + query_clipped + weight * row_clipped);
      if (!product_) bias_[e] = static_cast<float>(error * error + query_error_ * query_error_);
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

void ScanQuery::code_product(const Quantizer& quantizer, const float* query, std::size_t width) {
  const bool two_codes = !quantizer.shares_step();
  const double most =
      two_codes ? std::min(kMostQuerySteps, kMostSum / (127.0 * static_cast<double>(signed_.size()))) : kQuerySteps;
  const auto product = [&](std::size_t j) { return static_cast<double>(query[j]) * quantizer.step(j); };
  double largest = 1e-30;
  for (std::size_t j = 0; j < width; ++j) largest = std::max(largest, std::fabs(product(j)));
  const double alpha = most / largest;
  if (two_codes) low_.assign(signed_.size(), 0);
  double error = 0, base = 0, sum = 0, products = 0, steps = 0;
  for (std::size_t j = 0; j < width; ++j) {
    const double p = product(j), s = std::nearbyint(p * alpha);
    const double high = two_codes ? std::floor((s + kHighWeight / 2) / kHighWeight) : s;
    signed_[quantizer.position(j)] = static_cast<std::int8_t>(high);
    if (two_codes) low_[quantizer.position(j)] = static_cast<std::int8_t>(s - kHighWeight * high);
    sum += s;
    error += (p - s / alpha) * (p - s / alpha);
    base += query[j] * (quantizer.offset(j) + 64.0 * quantizer.step(j));
    products += p * p;
    steps += static_cast<double>(quantizer.step(j)) * quantizer.step(j);
  }
  query_error_ = std::sqrt(error) * (two_codes ? bound_->code_reach() : bound_->reach() / quantizer.step(0));
  row_weight_ = std::sqrt(products / steps);  // one step: |q| / sqrt(width), as if the direction were random
  dot_unit_ = 1 / alpha;
  dot_base_ = base - 64 * sum * dot_unit_;  // q.mid + (s / alpha).(code - 64)
  if (cosine_) {
    from_product_ = 1;
    absolute_ += 0x1p-22;  // of the subtraction
  }
}

void ScanQuery::sums(const simd::CodeBatch& batch, std::size_t first, std::int32_t* out, std::int32_t* scratch) const {
  const simd::Kernels& kernel = kernels();
  const bool split = batch.trailing != nullptr;
  if (!product_) return (split ? kernel.l2_split : kernel.l2_codes)(code_.data() + first, batch, out);
  const auto dot = split ? kernel.dot_split : kernel.dot_codes;
  dot(signed_.data() + first, batch, out);
  if (low_.empty()) return;
  dot(low_.data() + first, batch, scratch);
  for (std::size_t r = 0; r < batch.count; ++r) out[r] = kHighWeight * out[r] + scratch[r];
}

void ScanQuery::limits_within(double distance, KeyLimits& limits) const {
  limits[class_of(CodeBound::kUnknown)] = std::numeric_limits<std::int32_t>::max();
  if (product_) {
    const double most = distance - from_product_;
    for (std::size_t e = 0; e + 1 < kClasses; ++e) {  // -q.x <= most: sum >= -(most + base + slack) / unit
      const double sum = (most + absolute_ + dot_base_ + slack_[e]) / dot_unit_;
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
  if (product_) return rounded - dot_base_ + from_product_ + absolute_ + 1e-9 * std::fabs(dot_base_);
  if (!cosine_) return rounded * rounded * (1 + relative_);
  return (rounded * rounded + bound_->norm_slack() + std::fabs(query_norm_ * query_norm_ - 1)) / 2 + absolute_;
}

}  // namespace nestor::index
