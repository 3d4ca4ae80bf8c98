#include "index/rotation.h"

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

static_assert(std::endian::native == std::endian::little, "the stored block is little-endian");

constexpr char kMagic[8] = {'N', 'S', 'T', 'R', 'P', 'C', 'A', '\0'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kCentredFlag = 1;

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t dim;
  std::uint32_t flags;
  std::uint32_t reserved;
  std::uint64_t checksum;  // of the whole block with this field zero
  std::byte padding[32];
};
static_assert(sizeof(Header) == 64);

std::size_t block_bytes(std::size_t dim) { return sizeof(Header) + sizeof(float) * (2 * dim + dim * dim); }

Header read_header(std::span<const std::byte> bytes) {
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

// FNV-1a over 32-bit words: catches every single flipped bit, and the block is a few MB read once.
std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t word;
    std::memcpy(&word, bytes.data() + i, 4);
    const bool is_checksum_field =
        i >= offsetof(Header, checksum) && i < offsetof(Header, checksum) + sizeof(Header::checksum);
    hash = (hash ^ (is_checksum_field ? 0 : word)) * 0x100000001B3ull;
  }
  return hash;
}

// ---- learning

// Column by column in double; the blocks keep the product inside the cache.
constexpr std::size_t kLearnBlock = 256;

Eigen::VectorXd sample_mean(std::span<const float> rows, std::size_t count, std::size_t dim) {
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(dim);
  for (std::size_t i = 0; i < count; ++i)
    sum += Eigen::Map<const Eigen::VectorXf>(rows.data() + i * dim, dim).cast<double>();
  return sum / static_cast<double>(count);
}

// Lower triangle of the mean of (x - mean)(x - mean)^T.
Eigen::MatrixXd covariance(std::span<const float> rows, std::size_t count, const Eigen::VectorXd& mean) {
  const std::size_t dim = static_cast<std::size_t>(mean.size());
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(dim, dim);
  Eigen::MatrixXd block;
  for (std::size_t first = 0; first < count; first += kLearnBlock) {
    const std::size_t size = std::min(kLearnBlock, count - first);
    block = Eigen::Map<const Eigen::MatrixXf>(rows.data() + first * dim, dim, size).cast<double>();
    block.colwise() -= mean;
    sum.selfadjointView<Eigen::Lower>().rankUpdate(block);
  }
  return sum / static_cast<double>(count);
}

// An eigenvector's sign is free. Fixed here: the first of its (nearly) largest coordinates is positive.
void fix_sign(Eigen::Ref<Eigen::VectorXd> direction) {
  const double largest = direction.cwiseAbs().maxCoeff();
  for (Eigen::Index i = 0; i < direction.size(); ++i) {
    if (std::abs(direction[i]) < largest * (1 - 1e-6)) continue;
    if (direction[i] < 0) direction = -direction;
    return;
  }
}

// ---- the kernel: y[r][c] += sum over i of x[i][r] * panel[i][c]

constexpr std::size_t kPanel = 32;     // output coordinates of one panel
constexpr std::size_t kDepth = 256;    // input coordinates summed in registers at a time
constexpr std::size_t kRowBlock = 64;  // rows that share one pass over the panels
constexpr int kRowTile = 4;

// Four floats in one register on every target; the compiler's vector extension, so no -m flag is needed.
using Lanes = float __attribute__((vector_size(16)));

Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

// Each output coordinate is summed in the order of i whatever kRows is, hence the equality of the two doors.
template <int kRows>
void add_panel(const float* x, const float* panel, std::size_t depth, float* y, std::size_t y_stride) {
  constexpr int kTile = kRows == 1 ? 8 : 2;  // registers of columns: all sums stay in the 16 of SSE
  for (std::size_t column = 0; column < kPanel; column += 4 * kTile) {
    Lanes sums[kRows][kTile] = {};
    for (std::size_t i = 0; i < depth; ++i) {
      Lanes columns[kTile];
#pragma GCC unroll 8
      for (int t = 0; t < kTile; ++t) columns[t] = load(panel + i * kPanel + column + 4 * t);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const float value = x[i * kRows + r];
        const Lanes splat = {value, value, value, value};
#pragma GCC unroll 8
        for (int t = 0; t < kTile; ++t) sums[r][t] += splat * columns[t];
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int t = 0; t < kTile; ++t) {
        float* to = y + r * y_stride + column + 4 * t;
        const Lanes sum = load(to) + sums[r][t];
        std::memcpy(to, &sum, sizeof sum);
      }
  }
}

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

}  // namespace

PcaRotation PcaRotation::learn(std::span<const float> rows, std::size_t count, std::uint32_t dim, bool centred) {
  if (dim == 0 || dim > kMaxRotationDim)
    refuse("a rotation is learnt for 1 to " + std::to_string(kMaxRotationDim) + " dimensions, got " +
           std::to_string(dim));
  if (count == 0) refuse("a rotation cannot be learnt from no rows");
  if (rows.size() != count * dim)
    refuse("a rotation needs " + std::to_string(count) + " x " + std::to_string(dim) + " values, got " +
           std::to_string(rows.size()));

  // Rounded to float first: what is learnt is then centred exactly as apply() centres.
  const Eigen::VectorXf mean = centred ? Eigen::VectorXf(sample_mean(rows, count, dim).cast<float>())
                                       : Eigen::VectorXf(Eigen::VectorXf::Zero(dim));
  const Eigen::MatrixXd moments = covariance(rows, count, mean.cast<double>());
  if (!moments.allFinite()) refuse("a rotation cannot be learnt from rows with NaN or Inf");
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(moments);  // reads the lower triangle
  if (solver.info() != Eigen::Success) throw Error(ErrorCode::internal, "the eigenvalue iteration did not converge");

  PcaRotation rotation;
  rotation.dim_ = dim;
  rotation.bytes_.assign(block_bytes(dim), std::byte{0});
  float* out = reinterpret_cast<float*>(rotation.bytes_.data() + sizeof(Header));
  std::copy_n(mean.data(), dim, out);
  for (std::uint32_t i = 0; i < dim; ++i) {
    const Eigen::Index ascending = dim - 1 - i;  // Eigen orders by ascending eigenvalue
    Eigen::VectorXd direction = solver.eigenvectors().col(ascending);
    fix_sign(direction);
    out[dim + i] = static_cast<float>(std::max(0.0, solver.eigenvalues()[ascending]));
    Eigen::Map<Eigen::VectorXf>(out + 2 * dim + std::size_t{i} * dim, dim) = direction.cast<float>();
  }

  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.dim = dim;
  header.flags = centred ? kCentredFlag : 0;
  std::memcpy(rotation.bytes_.data(), &header, sizeof header);
  header.checksum = checksum(rotation.bytes_);
  std::memcpy(rotation.bytes_.data(), &header, sizeof header);
  rotation.pack_panels();
  return rotation;
}

PcaRotation PcaRotation::from_bytes(std::span<const std::byte> bytes) {
  const auto damaged = [](const std::string& what) { return Error(ErrorCode::data_loss, "stored rotation: " + what); };
  if (bytes.size() < sizeof(Header))
    throw damaged("shorter than its header, " + std::to_string(bytes.size()) + " bytes");
  const Header header = read_header(bytes);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) throw damaged("not a rotation");
  if (header.version != kVersion)
    throw damaged("version " + std::to_string(header.version) + ", this build reads " + std::to_string(kVersion));
  if (header.dim == 0 || header.dim > kMaxRotationDim) throw damaged("dimension " + std::to_string(header.dim));
  if (bytes.size() != block_bytes(header.dim))
    throw damaged(std::to_string(bytes.size()) + " bytes, dimension " + std::to_string(header.dim) + " needs " +
                  std::to_string(block_bytes(header.dim)));
  if (checksum(bytes) != header.checksum) throw damaged("checksum mismatch");

  PcaRotation rotation;
  rotation.dim_ = header.dim;
  rotation.bytes_.assign(bytes.begin(), bytes.end());
  rotation.pack_panels();
  return rotation;
}

bool PcaRotation::centred() const { return (read_header(bytes_).flags & kCentredFlag) != 0; }

std::span<const float> PcaRotation::mean() const {
  return {reinterpret_cast<const float*>(bytes_.data() + sizeof(Header)), dim_};
}

std::span<const float> PcaRotation::variances() const { return {mean().data() + dim_, dim_}; }

std::span<const float> PcaRotation::matrix() const {
  return {mean().data() + 2 * std::size_t{dim_}, std::size_t{dim_} * dim_};
}

// The kernel reads memory straight through: for each input coordinate the kPanel outputs side by side.
void PcaRotation::pack_panels() {
  const std::size_t panels = (dim_ + kPanel - 1) / kPanel;
  panels_.assign(panels * dim_ * kPanel, 0.0f);
  const std::span<const float> rows = matrix();
  for (std::size_t column = 0; column < dim_; ++column) {
    float* panel = panels_.data() + (column / kPanel) * dim_ * kPanel + column % kPanel;
    for (std::size_t i = 0; i < dim_; ++i) panel[i * kPanel] = rows[column * dim_ + i];
  }
}

void PcaRotation::apply(std::span<const float> row, std::span<float> out) const {
  if (row.size() != dim_ || out.empty() || out.size() > dim_)
    refuse("this rotation takes " + std::to_string(dim_) + " values and gives at most as many, got " +
           std::to_string(row.size()) + " and " + std::to_string(out.size()));
  std::vector<float> scratch;
  rotate_block(row, 1, out.size(), scratch, out.data());
}

void PcaRotation::apply_batch(std::span<const float> rows, std::size_t count, std::span<float> out) const {
  if (rows.size() != count * dim_ || out.size() != count * dim_)
    refuse("this rotation takes and gives " + std::to_string(count) + " x " + std::to_string(dim_) + " values, got " +
           std::to_string(rows.size()) + " and " + std::to_string(out.size()));
  std::vector<float> scratch;
  for (std::size_t first = 0; first < count; first += kRowBlock) {
    const std::size_t size = std::min(kRowBlock, count - first);
    rotate_block(rows.subspan(first * dim_, size * dim_), size, dim_, scratch, out.data() + first * dim_);
  }
}

// out [count x width]: the leading `width` coordinates of each rotated row.
void PcaRotation::rotate_block(std::span<const float> rows, std::size_t count, std::size_t width,
                               std::vector<float>& scratch, float* out) const {
  const std::size_t panels = (width + kPanel - 1) / kPanel;
  const std::size_t stride = panels * kPanel;
  const std::size_t tiled = count - count % kRowTile;  // these rows go kRowTile at a time, the rest one by one
  scratch.assign(count * (stride + kDepth), 0.0f);
  float* sums = scratch.data();          // [count x stride]
  float* slice = sums + count * stride;  // this depth of the centred rows, the rows of a tile interleaved
  const float* mean_values = mean().data();

  for (std::size_t from = 0; from < dim_; from += kDepth) {
    const std::size_t depth = std::min(kDepth, dim_ - from);
    for (std::size_t r = 0; r < count; ++r) {
      const std::size_t tile_rows = r < tiled ? kRowTile : 1;
      float* to = slice + (r - r % tile_rows) * depth + r % tile_rows;
      const float* row = rows.data() + r * dim_ + from;
      for (std::size_t i = 0; i < depth; ++i) to[i * tile_rows] = row[i] - mean_values[from + i];
    }
    for (std::size_t p = 0; p < panels; ++p) {
      const float* panel = panels_.data() + (p * dim_ + from) * kPanel;
      std::size_t r = 0;
      for (; r < tiled; r += kRowTile)
        add_panel<kRowTile>(slice + r * depth, panel, depth, sums + r * stride + p * kPanel, stride);
      for (; r < count; ++r) add_panel<1>(slice + r * depth, panel, depth, sums + r * stride + p * kPanel, stride);
    }
  }
  for (std::size_t r = 0; r < count; ++r) std::copy_n(sums + r * stride, width, out + r * width);
}

}  // namespace nestor::index
