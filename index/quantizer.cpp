#include "index/quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "index/error.h"
#include "index/lanes.h"
#include "index/simd/kernels.h"

namespace nestor::index {
namespace {

constexpr int kLevels = 127;  // codes 0..127

// Version 2. Version 1 had one float, the step, in place of `reserved`, and no steps behind the offsets.
struct Header {
  std::uint32_t version;
  std::uint32_t dim;
  float reserved;
  float max_norm;
};
constexpr std::uint32_t kVersion = 2, kVersionOfOneStep = 1;

// How much an error of the leading bits counts beside one of the whole code where steps are a coordinate's own: walks
// go by them, and what they lose is found again by re-scoring a longer list. With one step for all, the coordinates
// that would be clipped are the widest, which decide; there only the whole code counts.
double leading_share(Steps steps) { return steps == Steps::per_coordinate ? 1.0 / 8 : 0.0; }

// Mean squared error per coordinate when centred values are clipped to [-range, range].
double coding_error(const std::vector<float>& magnitudes, double range, double leading_weight) {
  const double step = 2 * range / kLevels, leading = 8 * step;
  double clipped = 0;
  for (auto it = std::upper_bound(magnitudes.begin(), magnitudes.end(), range); it != magnitudes.end(); ++it)
    clipped += (*it - range) * (*it - range);
  return clipped / static_cast<double>(magnitudes.size()) + (step * step + leading_weight * leading * leading) / 12;
}

// The range among quantiles of |x - centre| with the smallest error. A clipped value errs once, a coarser step
// errs everywhere: for most data the best range cuts a few in ten thousand.
double best_range(std::vector<float>& magnitudes, double leading_weight) {
  std::sort(magnitudes.begin(), magnitudes.end());
  double best = magnitudes.back(), best_error = coding_error(magnitudes, best, leading_weight);
  for (const double cut : {1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 4e-3}) {
    const double range = magnitudes[static_cast<std::size_t>((1 - cut) * static_cast<double>(magnitudes.size() - 1))];
    const double error = coding_error(magnitudes, range, leading_weight);
    if (range > 0 && error < best_error) {
      best = range;
      best_error = error;
    }
  }
  return best > 0 ? best : 1.0;
}

struct Moments {
  std::vector<double> mean, deviation;
  float max_norm = 0;
};

Moments moments_of(std::span<const float> sample, std::size_t count, std::size_t dim) {
  Moments out{std::vector<double>(dim, 0.0), std::vector<double>(dim, 0.0), 0};
  for (std::size_t r = 0; r < count; ++r) {
    double norm = 0;
    for (std::size_t j = 0; j < dim; ++j) {
      const double x = sample[r * dim + j];
      out.mean[j] += x;
      norm += x * x;
    }
    out.max_norm = std::max(out.max_norm, static_cast<float>(std::sqrt(norm)));
  }
  const double n = static_cast<double>(std::max<std::size_t>(count, 1));
  for (double& m : out.mean) m /= n;
  for (std::size_t r = 0; r < count; ++r)
    for (std::size_t j = 0; j < dim; ++j) {
      const double x = sample[r * dim + j] - out.mean[j];
      out.deviation[j] += x * x;
    }
  for (double& d : out.deviation) d = std::sqrt(d / n);
  return out;
}

// The sample without rows a hundred times as long as most, where they are few: one of them would stretch the range of the
// codes until all others were the same. They are clipped, and known to be (code_bound.h).
std::vector<float> without_outliers(std::span<const float> sample, std::size_t count, std::size_t dim) {
  constexpr double kFar = 100, kFew = 0.01;
  std::vector<double> norms(count);
  for (std::size_t r = 0; r < count; ++r)
    for (std::size_t j = 0; j < dim; ++j) {
      const double x = sample[r * dim + j];
      norms[r] += x * x;
    }
  std::vector<double> ordered = norms;
  const auto middle = ordered.begin() + static_cast<std::ptrdiff_t>(count / 2);
  if (count > 0) std::nth_element(ordered.begin(), middle, ordered.end());
  const double most = count > 0 ? kFar * kFar * *middle : 0;
  std::vector<float> kept;
  for (std::size_t r = 0; r < count; ++r)
    if (norms[r] <= most) kept.insert(kept.end(), sample.begin() + static_cast<std::ptrdiff_t>(r * dim),
                                      sample.begin() + static_cast<std::ptrdiff_t>((r + 1) * dim));
  const auto lost = static_cast<double>(count - kept.size() / dim);
  if (lost > kFew * static_cast<double>(count)) return {sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(count * dim)};
  return kept;
}

}  // namespace

// Calls work(first coordinate, count, code position) for each band and zeroes the padding: plain loops over
// neighbouring bytes, which the compiler turns into vector code.
template <class Work>
void Quantizer::for_each_band(std::uint8_t* out, const Work& work) const {
  std::size_t coordinate = 0, position = 0;
  for (std::size_t b = 0; b < widths_.size(); ++b) {
    const std::size_t n = widths_[b] - coordinate;
    work(coordinate, n, out + position);
    std::memset(out + position + n, 0, lengths_[b] - position - n);
    coordinate = widths_[b];
    position = lengths_[b];
  }
}

void Quantizer::lay_out(std::span<const std::uint32_t> widths) {
  widths_.assign(widths.begin(), widths.end());
  positions_.resize(widths.back());
  lengths_.clear();
  std::size_t position = 0;
  std::uint32_t coordinate = 0;
  for (const std::uint32_t w : widths) {
    for (; coordinate < w; ++coordinate) positions_[coordinate] = static_cast<std::uint32_t>(position++);
    position = (position + simd::kCodeAlign - 1) / simd::kCodeAlign * simd::kCodeAlign;
    lengths_.push_back(position);
  }
}

Quantizer Quantizer::learn(std::span<const float> whole_sample, std::size_t count, std::span<const std::uint32_t> widths,
                           Steps steps) {
  Quantizer out;
  out.lay_out(widths);
  const std::size_t dim = widths.back();
  const std::vector<float> sample = without_outliers(whole_sample, count, dim);
  count = sample.size() / dim;
  const Moments moments = moments_of(sample, count, dim);
  out.max_norm_ = count == 0 ? 1.0f : moments.max_norm;
  // What a coordinate's range is measured in. A coordinate that hardly varies keeps a step that a query can take up.
  std::vector<double> unit(dim, 1.0);
  if (steps == Steps::per_coordinate) {
    const double largest = *std::max_element(moments.deviation.begin(), moments.deviation.end());
    for (std::size_t j = 0; j < dim; ++j)
      if (largest > 0) unit[j] = std::max(moments.deviation[j], 1e-3 * largest);
  }
  std::vector<float> magnitudes;
  magnitudes.reserve(count * dim);
  for (std::size_t r = 0; r < count; ++r)
    for (std::size_t j = 0; j < dim; ++j)
      magnitudes.push_back(static_cast<float>(std::fabs(sample[r * dim + j] - moments.mean[j]) / unit[j]));
  const double range = magnitudes.empty() ? 1.0 : best_range(magnitudes, leading_share(steps));
  out.offsets_.resize(dim);
  out.steps_.resize(dim);
  for (std::size_t j = 0; j < dim; ++j) {
    out.offsets_[j] = static_cast<float>(moments.mean[j] - range * unit[j]);
    out.steps_[j] = static_cast<float>(2 * range * unit[j] / kLevels);
  }
  return out;
}

std::size_t Quantizer::code_length(std::uint32_t width) const {
  for (std::size_t i = 0; i < widths_.size(); ++i)
    if (widths_[i] == width) return lengths_[i];
  throw Error(ErrorCode::internal, "no codes at width " + std::to_string(width));
}

void Quantizer::encode(const float* row, std::uint8_t* out) const {
  for_each_band(out, [&](std::size_t j, std::size_t n, std::uint8_t* band) {
    for (std::size_t i = 0; i < n; ++i) {
      const float level =
          (row[j + i] - offsets_[j + i]) / steps_[j + i] + 0.5f;  // positive after the clamp: truncation rounds
      band[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(std::min(std::max(level, 0.0f), kLevels + 0.5f)));
    }
  });
}

double Quantizer::clipped(const float* row) const {
  const float step = kLevels + 1.0f;  // half a level on each side is rounding
  const double squares = lane_sum(dim(), [&](std::size_t j) {
    const float level = (row[j] - offsets_[j]) / steps_[j];
    const float beyond = std::max(std::max(-0.5f - level, level - (step - 0.5f)), 0.0f) * steps_[j];
    return static_cast<double>(beyond) * beyond;
  });
  return std::sqrt(squares);
}

float Quantizer::encode_dot_query(const float* query, std::int8_t* out) const {
  const float largest = lane_max(dim(), 1e-30f, [&](std::size_t j) { return std::fabs(query[j] * steps_[j]); });
  const float alpha = 127.0f / largest;
  for_each_band(reinterpret_cast<std::uint8_t*>(out), [&](std::size_t j, std::size_t n, std::uint8_t* band) {
    for (std::size_t i = 0; i < n; ++i) {
      const float level = query[j + i] * steps_[j + i] * alpha + 128.5f;
      band[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(level) - 128);
    }
  });
  return alpha;
}

std::vector<std::byte> Quantizer::to_bytes() const {
  const Header header{kVersion, static_cast<std::uint32_t>(dim()), 0, max_norm_};
  const std::size_t values = dim() * sizeof(float);
  std::vector<std::byte> bytes(sizeof header + 2 * values);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, offsets_.data(), values);
  std::memcpy(bytes.data() + sizeof header + values, steps_.data(), values);
  return bytes;
}

Quantizer Quantizer::from_bytes(std::span<const std::byte> bytes, std::span<const std::uint32_t> widths) {
  Header header{};
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  const bool one_step = header.version == kVersionOfOneStep;
  const std::size_t values = std::size_t{header.dim} * sizeof(float);
  if ((header.version != kVersion && !one_step) || header.dim != widths.back() ||
      bytes.size() != sizeof header + (one_step ? 1 : 2) * values)
    throw Error(ErrorCode::data_loss, "the generation's quantizer does not fit the collection");
  Quantizer out;
  out.lay_out(widths);
  out.max_norm_ = header.max_norm;
  out.offsets_.resize(header.dim);
  std::memcpy(out.offsets_.data(), bytes.data() + sizeof header, values);
  out.steps_.assign(header.dim, header.reserved);
  if (!one_step) std::memcpy(out.steps_.data(), bytes.data() + sizeof header + values, values);
  if (!std::all_of(out.steps_.begin(), out.steps_.end(), [](float step) { return step > 0; }))
    throw Error(ErrorCode::data_loss, "the generation's quantizer has a step that is not positive");
  return out;
}

void QueryCode::assign(const Quantizer& quantizer, Metric metric, const float* query) {
  code_.resize(quantizer.row_length());
  l2_ = metric == Metric::l2;
  if (l2_) {
    quantizer.encode(query, code_.data());
    clipped_ = quantizer.clipped(query);
    numerator_ = add_ = 0;
    unit_ = static_cast<double>(quantizer.step(0)) * quantizer.step(0);
    return;
  }
  clipped_ = 0;
  const float alpha = quantizer.encode_dot_query(query, reinterpret_cast<std::int8_t*>(code_.data()));
  const double unit = alpha;  // dot sums per 1.0 of dot product
  offset_dots_.clear();
  double dots = 0;
  std::uint32_t from = 0;
  for (const std::uint32_t width : quantizer.widths()) {
    const auto product = [&](std::size_t i) {
      return static_cast<double>(query[from + i]) * quantizer.offset(from + i);
    };
    dots += lane_sum(width - from, product) * unit;
    offset_dots_.push_back({width, dots});
    from = width;
  }
  const auto square = [&](std::size_t j) { return static_cast<double>(query[j]) * query[j]; };
  const double bound =
      metric == Metric::cosine ? 1.0 : std::sqrt(lane_sum(quantizer.dim(), square)) * quantizer.max_norm();
  numerator_ = bound * unit;
  unit_ = 1 / unit;
  add_ = metric == Metric::cosine ? 1 : 0;
}

std::int64_t QueryCode::base(std::uint32_t width) const {
  if (l2_) return 0;
  for (const auto& [known, dots] : offset_dots_)
    if (known == width) return std::llround(numerator_ - dots);
  throw Error(ErrorCode::internal, "width " + std::to_string(width) + " is not one the codes are cut at");
}

}  // namespace nestor::index
