#pragma once
// Representation dispersion ("Demystifying Representation Dispersion", arXiv 2506.24106): how far apart the directions
// of a set of vectors lie. Vectors that are spread out make better kNN-LM keys; no labels are needed to measure it.
//
//   Disp(X) = mean over pairs i < j of (1 - u_i . u_j), u = x / |x|
//           = N / (N - 1) * (1 - |m|^2) with m = (1/N) sum u_i: O(N d), and mergeable, since {N, sum u} adds up.
//   B(A, B) = 1 - m_A . m_B, the mean over pairs between two sets.
//   G = Disp(T) + B(T, rest): how a target domain T spreads and stands apart from the rest.

#include <cstdint>
#include <span>
#include <vector>

namespace nestor::index {

// Sums of one set at several prefix widths, each prefix normalised as a vector of its own. Not thread-safe; sets that
// were summed apart are merged.
class Dispersion {
 public:
  // widths: ascending, at least one, the last is the length of the vectors. Throws Error invalid_argument.
  explicit Dispersion(std::vector<std::uint32_t> widths);

  // rows [n x dim], row-major. A prefix that is all zeros has no direction: it is left out and counted. Throws
  // invalid_argument on lengths that do not fit and on NaN or infinity, with nothing added.
  void add(std::span<const float> rows);
  // Throws invalid_argument when the widths differ.
  void merge(const Dispersion& other);

  const std::vector<std::uint32_t>& widths() const { return widths_; }
  std::uint64_t rows(std::size_t width_index) const { return at(width_index).count; }
  std::uint64_t zero_rows(std::size_t width_index) const { return at(width_index).zeros; }
  // Throws invalid_argument for fewer than two rows.
  double value(std::size_t width_index) const;
  // Throws invalid_argument when the widths differ or one set is empty.
  double between(const Dispersion& other, std::size_t width_index) const;
  // G of this set as the target domain: value + between(rest).
  double gap(const Dispersion& rest, std::size_t width_index) const {
    return value(width_index) + between(rest, width_index);
  }

 private:
  struct Sum {
    std::uint64_t count = 0, zeros = 0;
    std::vector<double> sum;  // of unit vectors
  };
  const Sum& at(std::size_t width_index) const;
  void check_same(const Dispersion& other) const;

  std::vector<std::uint32_t> widths_;
  std::vector<Sum> sums_;
};

}  // namespace nestor::index
