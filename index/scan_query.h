#pragma once
// One query coded for a scan, and what its keys say about distances.
//
// Keys are int32, smaller is nearer (index/simd/scan_kernels.h):
//   by difference   key = sum (cq - c)^2 - own, own = sum cq^2, cq the query coded as rows are
//   by product      key = -2 sum s c, s = round(alpha q step)
// Squared L2 goes by difference, which takes one step for all coordinates; dot by product; cosine by product where every
// coordinate has its own step, else by difference: its rows are unit vectors, so 1 - q.x = (|q - x|^2 + 1 - |x|^2) / 2.
// With steps of their own the products fall as steeply as the spectrum and 63 levels would leave nothing of most: such a
// query is coded to some 4,000 levels in two codes, s = 64 high + low. Where only a prefix is coded (rotated
// collections), |q - x| over the prefix bounds |q - x| from below; products have no such bound.
//
// Rounding of the exact float sums is allowed for: a sum of n products is off by at most n 2^-24 of the sum of their
// magnitudes in any order of additions (Higham, Accuracy and Stability of Numerical Algorithms, chapter 3).

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "index/code_bound.h"
#include "index/prepared_vector.h"

namespace nestor::index {

// How much a code may be off.
enum class ScanMargin {
  // The error bounds themselves: rows left out are certainly not among the nearest. For exact searches.
  certain,
  // Six standard deviations of the rounding, as if its direction were random: errors of a row and a query only matter
  // along the line between them, a share of 1 / sqrt(coordinates). What was clipped counts in full. By this estimate,
  // which is no proof, a row left out is hardly ever among the nearest, and on wide vectors many times fewer rows are left
  // to be ranked exactly.
  trusted,
};

class ScanQuery {
 public:
  // Error bytes are told apart by class: what belongs to a class is computed for every query.
  static constexpr std::size_t kClasses = 64;
  static std::size_t class_of(std::uint8_t error) { return error / 4; }
  // Largest key of a row, by the class of its error byte, that may be within some distance.
  using KeyLimits = std::array<std::int32_t, kClasses>;

  // Whether keys bound the distances of this ranking: not for a cosine over a prefix (its rows have other norms), nor
  // for products wider than the codes, nor for steps of their own in a generation that did not measure their reach.
  static bool serves(const Quantizer& quantizer, const CodeBound& bound, Metric metric, std::size_t width,
                     std::size_t dim);

  // REQUIRES: serves(). bound must outlive this object; dim: coordinates of a stored row.
  ScanQuery(const Quantizer& quantizer, const CodeBound& bound, Metric metric, const PreparedQuery& query,
            std::size_t dim, ScanMargin margin);

  bool by_product() const { return product_; }
  std::size_t length() const { return signed_.size(); }  // code bytes compared
  const std::int8_t* signed_code() const { return signed_.data(); }
  // The low code of a query in two codes, whose keys are kHighWeight times those of signed_code() more; else empty.
  static constexpr std::int32_t kHighWeight = 64;
  std::span<const std::int8_t> low_code() const { return low_; }
  // Sums of rows by the kernels that serve walks, whole or split codes: for a query that is scanned alone. scratch: room
  // for as many.
  void sums(const simd::CodeBatch& batch, std::size_t first, std::int32_t* out, std::int32_t* scratch) const;
  std::int32_t key_of_sum(std::int32_t sum) const { return product_ ? -2 * sum : static_cast<std::int32_t>(sum - own_); }

  // Every row whose computed distance is at most `distance` has a key of at most limits[class_of(its error byte)].
  void limits_within(double distance, KeyLimits& limits) const;
  // How far a row of this key and error byte may be, in a unit of the query's own that is cheap to come by; infinity
  // where codes cannot say.
  float worst(std::int32_t key, std::uint8_t error) const {
    if (!whole_) return std::numeric_limits<float>::infinity();
    if (product_) return 0.5f * static_cast<float>(dot_unit_) * static_cast<float>(key) + slack_[class_of(error)];
    return static_cast<float>(step_) * std::sqrt(std::max(0.0f, static_cast<float>(key + own_))) +
           slack_[class_of(error)];
  }
  // The computed distance of a row is at most upper(worst(...)).
  double upper(float worst) const;

 private:
  void fill_slack(ScanMargin margin, const Quantizer& quantizer, std::size_t width);
  void code_l2(const Quantizer& quantizer, const float* query, std::size_t width);
  void code_product(const Quantizer& quantizer, const float* query, std::size_t width);

  const CodeBound* bound_;
  bool product_ = false, cosine_ = false;
  bool whole_ = true;  // the codes cover all that ranks
  std::vector<std::uint8_t> code_;
  std::vector<std::int8_t> signed_, low_;
  std::int64_t own_ = 0;
  double step_ = 1;
  std::array<float, kClasses> slack_{};  // what code distance and distance may differ by, by class
  std::array<float, kClasses> bias_{};   // what rounding adds to a squared code distance on average (trusted margin)
  double query_error_ = 0;               // what the query's coding adds to the bound: a distance, or a product
  double query_norm_ = 0;
  double dot_base_ = 0, dot_unit_ = 1;  // q.x ~ base + unit * sum
  double row_weight_ = 1;               // product: |q step| / |step|, what rounding a row does to it on average
  double from_product_ = 0;             // distance - (-q.x): 1 for cosine
  double relative_ = 0;                 // rounding of the exact distances
  double absolute_ = 0;                 // ... of dot products
  double turned_ = 0;                   // ... of rotated coordinates
};

}  // namespace nestor::index
