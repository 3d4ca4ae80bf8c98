#pragma once
// Scalar quantisation of coordinates to 7 bits, and queries in the same code.
//
// A coordinate x_j becomes c_j = clamp(round((x_j - offset_j) / step_j), 0, 127). Offsets cancel in differences, so
// with one step for all coordinates a squared distance is an integer sum that needs no norms and adds up band by band:
//   |q - x|^2 ~ step^2 * sum (c(q_j) - c(x_j))^2
// For dot products the query takes up the steps, so every coordinate may have its own, and steep spectra keep their
// narrow coordinates; offsets make a constant of the query:
//   q . x     ~ sum q_j offset_j + (1 / alpha) * sum round(alpha q_j step_j) c_j
// The leading 4 bits of a code are a code of their own, half as long and coarse enough to walk by (simd/kernels.h).
// Codes of a band (the coordinates between two neighbouring widths) are padded to simd::kCodeAlign with zeros,
// so that any prefix is the first code_length(width) bytes of a row.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "index/types.h"

namespace nestor::index {

enum class Steps {
  shared,          // one step for all coordinates: what squared distances between codes need
  per_coordinate,  // in proportion to a coordinate's deviation; for dot products with a query only
};
// What searches by this metric compare codes by.
inline Steps search_steps(Metric metric) { return metric == Metric::l2 ? Steps::shared : Steps::per_coordinate; }

class Quantizer {
 public:
  Quantizer() = default;

  // Learns offsets and steps from a sample [count x dim]: the clipping range that minimises the mean squared
  // error of the coded sample. widths: ascending, ending in dim.
  static Quantizer learn(std::span<const float> sample, std::size_t count, std::span<const std::uint32_t> widths,
                         Steps steps = Steps::shared);

  std::size_t dim() const { return offsets_.size(); }
  std::span<const std::uint32_t> widths() const { return widths_; }
  float step(std::size_t coordinate) const { return steps_[coordinate]; }
  bool shares_step() const { return std::adjacent_find(steps_.begin(), steps_.end(), std::not_equal_to<>{}) == steps_.end(); }
  float max_norm() const { return max_norm_; }  // largest |x| of the sample
  // Bytes of a row's code over the first `width` coordinates; width must be one of widths.
  std::size_t code_length(std::uint32_t width) const;
  std::size_t row_length() const { return lengths_.back(); }

  // How far a row lies beyond the range of its codes: the length of what encode() clips.
  double clipped(const float* row) const;
  // out: row_length() bytes.
  void encode(const float* row, std::uint8_t* out) const;
  // Signed query codes for dot products: round(alpha * q_j * step_j), alpha = 127 / max |q_j step_j|. Returns alpha.
  float encode_dot_query(const float* query, std::int8_t* out) const;
  float offset(std::size_t coordinate) const { return offsets_[coordinate]; }
  // Code position of a coordinate.
  std::size_t position(std::size_t coordinate) const { return positions_[coordinate]; }

  std::vector<std::byte> to_bytes() const;
  // Throws Error data_loss on a block that does not fit the widths.
  static Quantizer from_bytes(std::span<const std::byte> bytes, std::span<const std::uint32_t> widths);

 private:
  void lay_out(std::span<const std::uint32_t> widths);
  template <class Work>
  void for_each_band(std::uint8_t* out, const Work& work) const;

  std::vector<std::uint32_t> widths_;
  std::vector<std::size_t> lengths_;  // code length at each width
  std::vector<std::uint32_t> positions_;
  std::vector<float> offsets_, steps_;
  float max_norm_ = 1;
};

// One query, coded once, comparable with code rows over any prefix. Keys are unsigned, smaller is nearer, and
// proportional to a squared distance (l2: |q - x|^2; cosine: 2 - 2 q.x; dot: |q| max|x| - q.x), so a relative
// gap between keys is a relative gap between distances.
class QueryCode {
 public:
  // query: dim values.
  void assign(const Quantizer& quantizer, Metric metric, const float* query);

  bool is_l2() const { return l2_; }
  const std::uint8_t* l2_code() const { return code_.data(); }
  const std::int8_t* dot_code() const { return reinterpret_cast<const std::int8_t*>(code_.data()); }
  // Key of an empty prefix: keys are base(width) - dot sums for dot and cosine, plain sums for l2. width: one of the
  // quantizer's.
  std::int64_t base(std::uint32_t width) const;
  // The distance (see Metric) that a key over all coded coordinates stands for, with the rounding of both codes.
  float distance_of(std::uint32_t key) const { return static_cast<float>((key - numerator_) * unit_ + add_); }
  double key_of(double distance) const { return (distance - add_) / unit_ + numerator_; }  // the inverse, not rounded
  // How far the query lies beyond the range of the codes; 0 but for l2.
  double clipped() const { return clipped_; }

 private:
  std::vector<std::uint8_t> code_;
  bool l2_ = true;
  double numerator_ = 0;             // (bound) in units of the dot sum: a key is that less the product; l2: 0
  double unit_ = 1, add_ = 0;        // from keys to distances
  double clipped_ = 0;
  // Per width: the sum of q_j * offset_j over the prefix, in units of the dot sum.
  std::vector<std::pair<std::uint32_t, double>> offset_dots_;
};

}  // namespace nestor::index
