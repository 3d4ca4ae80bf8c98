#pragma once
// An orthogonal rotation learnt by principal component analysis, for vectors that are not nested:
// distances are kept and the leading coordinates carry the most variance, so that a prefix says much
// about the whole (Jolliffe, "Principal Component Analysis", 2002; for search: Jegou et al. 2010).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nestor::index {

// Learning is O(count * dim^2 + dim^3) time and holds three dim x dim matrices of doubles.
inline constexpr std::uint32_t kMaxRotationDim = 8192;

// Immutable after learn() or from_bytes(), so every member may be called from any number of threads.
// Copying copies 4 * dim^2 bytes.
class PcaRotation {
 public:
  // rows [count x dim], row-major, finite: a sample. centred: the mean is subtracted before rotating; it
  // drops out of L2 distances but not out of dot products, so dot and cosine rotate uncentred.
  // Deterministic: the same rows give the same bytes on the same machine.
  // Throws invalid_argument: no rows, dim outside 1..kMaxRotationDim, sizes that differ, a NaN or Inf.
  static PcaRotation learn(std::span<const float> rows, std::size_t count, std::uint32_t dim, bool centred);

  // Reads what bytes() gave. Throws data_loss when anything is damaged.
  static PcaRotation from_bytes(std::span<const std::byte> bytes);

  std::uint32_t dim() const { return dim_; }
  bool centred() const;
  // Variance of the sample along each new coordinate (second moment when uncentred), descending.
  std::span<const float> variances() const;

  // y = R (x - mean). `row` holds dim values; `out` 1..dim values and gets the leading coordinates only.
  // A row comes out bit for bit the same through either door. O(dim * out.size()).
  // Throws invalid_argument on other sizes.
  void apply(std::span<const float> row, std::span<float> out) const;
  // The same up to rounding, for queries: reads nothing of directions where the row is zero, and one pass over
  // contiguous memory otherwise. by_coordinate: what columns() made for a width of out.size().
  void apply_query(std::span<const float> row, std::span<const float> by_coordinate, std::span<float> out) const;
  // [(dim + 1) x width]: for each old coordinate its part in the leading `width` new ones, then those of the mean,
  // negated.
  std::vector<float> columns(std::uint32_t width) const;
  // rows [count x dim] and out [count x width], row-major; they may not overlap.
  void apply_batch(std::span<const float> rows, std::size_t count, std::uint32_t width, std::span<float> out) const;

  // One block, little-endian: header (64 bytes), mean [dim], variances [dim], R [dim x dim] row-major,
  // all float32; row i of R is the i-th principal direction. Valid while this object lives unchanged.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  PcaRotation() = default;
  std::span<const float> mean() const;
  std::span<const float> matrix() const;

  std::uint32_t dim_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace nestor::index
