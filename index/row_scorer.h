#pragma once
// How a walk compares rows with its query where codes cannot tell them apart: by the stored rows themselves. What it
// offers to a walk is what WalkScorer offers.
//
// Keys are proportional to the distance where it is of vectors (l2; cosine: of unit vectors), since squared ones would
// not fit 31 bits beside near-duplicates, and linear in the product for dot:
//   l2      |q - x| * 2^31 / (|q| + max |x|)
//   cosine  |q - x| * 2^30, of unit vectors by their differences: 2 - 2 q.x would lose all but the last bits of near ones;
//           where lengths are not 1 (prefixes, rows of float16) sqrt(2 - 2 q.x) after all
//   dot     (|q| max |x| - q.x) * 2^30 / (|q| max |x|)

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "index/code_matrix.h"
#include "index/distance.h"

namespace nestor::index {

class RowScorer {
 public:
  // largest_norm: of the rows; farther ones are simply the farthest. query: its first `width` values are compared, must
  // outlive this object. uneven_rows: see ExactDistance.
  RowScorer(const RowMatrix& rows, Metric metric, const float* query, std::size_t width, double largest_norm,
            bool uneven_rows = false)
      : rows_(rows),
        metric_(metric),
        width_(width),
        by_difference_(metric == Metric::l2 || (metric == Metric::cosine && width == rows.dim && !uneven_rows)),
        distance_(by_difference_ ? Metric::l2 : metric, query, width, rows.dim, uneven_rows) {
    double norm = 0;
    for (std::size_t j = 0; j < width; ++j) norm += static_cast<double>(query[j]) * query[j];
    norm = std::sqrt(norm);
    const double reach = metric == Metric::dot ? norm * largest_norm : norm + largest_norm;
    add_ = metric == Metric::dot ? static_cast<float>(reach) : 0.0f;
    scale_ = static_cast<float>(metric == Metric::cosine ? kTop / 2 : (metric == Metric::dot ? kTop / 2 : kTop) /
                                                                          std::max(reach, 1e-30));
    bytes_ = width * (rows.scalar_type == ScalarType::float32 ? 4 : 2);
  }

  // A gap between squared distances as one between keys.
  static float gap_of_keys(Metric metric, float gap) {
    return metric == Metric::dot ? gap : std::sqrt(1.0f + gap) - 1.0f;
  }

  void operator()(const std::uint32_t* rows, std::size_t count, std::uint32_t* keys) const {
    for (std::size_t i = 0; i < count; ++i) send(rows[i]);
    finish(rows, count, nullptr, keys);
  }
  bool in_two_parts() const { return false; }
  std::size_t first_coordinates() const { return width_; }
  std::size_t rest_coordinates() const { return 0; }

  // A row's first lines; its others follow them when they are read.
  void send(std::uint32_t row) const {
    const std::byte* from = rows_.row(row);
    for (std::size_t byte = 0; byte < std::min(bytes_, kSent); byte += kLine) __builtin_prefetch(from + byte);
  }
  std::size_t begin(std::uint32_t*, std::size_t count, std::uint32_t, std::int32_t*) const { return count; }
  void finish(const std::uint32_t* rows, std::size_t count, const std::int32_t*, std::uint32_t* keys) const {
    for (std::size_t i = 0; i < count; ++i) keys[i] = key_of_distance(distance_(rows_, rows[i]));
  }

 private:
  static constexpr double kTop = 2147483648.0;
  static constexpr std::size_t kLine = 64, kSent = 1024;

  std::uint32_t key_of_distance(float d) const {
    if (d != d) return 0x7FFFFFFFu;  // NaN is the farthest
    const float length = metric_ == Metric::dot ? d + add_ : std::sqrt(std::max(0.0f, by_difference_ ? d : 2 * d));
    const float key = std::max(0.0f, length) * scale_;
    return key < 2147483520.0f ? static_cast<std::uint32_t>(key) : 0x7FFFFFFFu;
  }

  RowMatrix rows_;
  Metric metric_;
  std::size_t width_, bytes_ = 0;
  bool by_difference_;
  ExactDistance distance_;
  float add_ = 0, scale_ = 1;
};

}  // namespace nestor::index
