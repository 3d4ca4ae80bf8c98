#include "index/rotation.h"

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "index/distance.h"
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

constexpr std::size_t kRowBlock = 16;  // rows that share one pass over the matrix

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

void PcaRotation::apply(std::span<const float> row, std::span<float> out) const {
  apply_batch(row, 1, static_cast<std::uint32_t>(out.size()), out);
}

std::vector<float> PcaRotation::columns(std::uint32_t width) const {
  std::vector<float> out((std::size_t{dim_} + 1) * width);
  for (std::size_t i = 0; i < width; ++i) {
    double shift = 0;
    for (std::size_t j = 0; j < dim_; ++j) {
      const float r = matrix()[i * dim_ + j];
      out[j * width + i] = r;
      shift -= static_cast<double>(r) * mean()[j];
    }
    out[std::size_t{dim_} * width + i] = static_cast<float>(shift);
  }
  return out;
}

void PcaRotation::apply_query(std::span<const float> row, std::span<const float> by_coordinate, std::span<float> out) const {
  const std::size_t width = out.size();
  if (row.size() != dim_ || by_coordinate.size() != (std::size_t{dim_} + 1) * width)
    refuse("this rotation takes " + std::to_string(dim_) + " coordinates, got " + std::to_string(row.size()));
  thread_local std::vector<std::uint32_t> numbers;
  thread_local std::vector<float> weights;
  numbers.resize(dim_);
  weights.resize(dim_);
  std::size_t count = 0;
  for (std::uint32_t j = 0; j < dim_; ++j) {
    numbers[count] = j;
    weights[count] = row[j];
    count += row[j] != 0;
  }
  std::copy_n(by_coordinate.data() + std::size_t{dim_} * width, width, out.data());
  kernels().add_rows({by_coordinate.data(), width, numbers.data(), weights.data(), count}, out.data(), width);
}

void PcaRotation::apply_batch(std::span<const float> rows, std::size_t count, std::uint32_t width,
                              std::span<float> out) const {
  if (rows.size() != count * dim_ || width == 0 || width > dim_ || out.size() != count * width)
    refuse("this rotation takes " + std::to_string(count) + " x " + std::to_string(dim_) + " values and gives " +
           std::to_string(count) + " x 1.." + std::to_string(dim_) + ", got " + std::to_string(rows.size()) + " and " +
           std::to_string(out.size()));
  const simd::Kernels& kernel = kernels();
  const float* mean_values = mean().data();
  const float* directions = matrix().data();
  std::vector<float> centred(std::min(count, kRowBlock) * dim_);
  for (std::size_t first = 0; first < count; first += kRowBlock) {
    const std::size_t size = std::min(kRowBlock, count - first);
    for (std::size_t r = 0; r < size; ++r)
      for (std::size_t j = 0; j < dim_; ++j) centred[r * dim_ + j] = rows[(first + r) * dim_ + j] - mean_values[j];
    for (std::size_t i = 0; i < width; ++i)
      for (std::size_t r = 0; r < size; ++r)
        out[(first + r) * width + i] = kernel.dot_f32(directions + i * dim_, centred.data() + r * dim_, dim_);
  }
}

}  // namespace nestor::index
