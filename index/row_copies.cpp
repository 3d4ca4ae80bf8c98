#include "index/row_copies.h"

#include <cstring>

#include "index/error.h"
#include "index/parallel.h"

namespace nestor::index {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kBlock = 4096;

// FNV-1a over 8 bytes at a time; equal hashes are compared, so a weak one costs time only.
std::uint64_t hash_of(const float* row, std::size_t dim) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  std::size_t j = 0;
  for (; j + 1 < dim; j += 2) {
    std::uint64_t word;
    std::memcpy(&word, row + j, sizeof word);
    h = (h ^ word) * 0x100000001B3ull;
    h ^= h >> 29;
  }
  if (j < dim) {
    std::uint32_t word;
    std::memcpy(&word, row + j, sizeof word);
    h = (h ^ word) * 0x100000001B3ull;
  }
  return h ^ (h >> 32);
}

struct Hashed {
  std::uint64_t hash;
  std::uint32_t row;
  auto operator<=>(const Hashed&) const = default;
};

}  // namespace

std::vector<RowCopy> find_copies(const float* rows, std::size_t count, std::size_t dim, std::size_t settled,
                                 std::span<const RowCopy> known, unsigned threads) {
  std::vector<Hashed> hashed(count);
  parallel_blocks(count, kBlock, threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t r = first; r < last; ++r)
      hashed[r] = {hash_of(rows + r * dim, dim), static_cast<std::uint32_t>(r)};
  });
  std::sort(hashed.begin(), hashed.end());
  std::vector<bool> is_copy(count, false);
  for (const RowCopy& copy : known) is_copy[copy.row] = true;
  std::vector<RowCopy> copies(known.begin(), known.end());
  std::vector<std::uint32_t> originals;  // of one hash
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t row = hashed[i].row;
    if (i == 0 || hashed[i].hash != hashed[i - 1].hash) originals.clear();
    if (is_copy[row]) continue;
    const auto same = std::find_if(originals.begin(), originals.end(), [&](std::uint32_t other) {
      return std::memcmp(rows + std::size_t{other} * dim, rows + std::size_t{row} * dim, dim * sizeof(float)) == 0;
    });
    if (same == originals.end())
      originals.push_back(row);
    else if (row >= settled)
      copies.push_back({*same, row});
  }
  std::sort(copies.begin(), copies.end());
  return copies;
}

RowCopies::RowCopies(std::span<const std::byte> section, std::size_t rows) {
  std::uint32_t header[2] = {0, 0};
  if (section.size() >= sizeof header) std::memcpy(header, section.data(), sizeof header);
  const auto damaged = [] { throw Error(ErrorCode::data_loss, "the generation's list of equal rows does not fit it"); };
  if (header[0] != kVersion || section.size() != sizeof header + std::size_t{header[1]} * sizeof(RowCopy)) damaged();
  copies_ = {reinterpret_cast<const RowCopy*>(section.data() + sizeof header), header[1]};
  for (std::size_t i = 0; i < copies_.size(); ++i)
    if (copies_[i].row >= rows || copies_[i].original >= copies_[i].row || (i > 0 && copies_[i] <= copies_[i - 1]))
      damaged();
}

std::vector<std::byte> RowCopies::to_bytes(std::span<const RowCopy> copies) {
  const std::uint32_t header[2] = {kVersion, static_cast<std::uint32_t>(copies.size())};
  std::vector<std::byte> bytes(sizeof header + copies.size() * sizeof(RowCopy));
  std::memcpy(bytes.data(), header, sizeof header);
  if (!copies.empty()) std::memcpy(bytes.data() + sizeof header, copies.data(), copies.size() * sizeof(RowCopy));
  return bytes;
}

}  // namespace nestor::index
