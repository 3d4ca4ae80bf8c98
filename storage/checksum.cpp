#include "storage/checksum.h"

#include <xxhash.h>

#include <algorithm>

#include "index/parallel.h"

namespace nestor::storage {

std::uint64_t checksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t tree_checksum(std::span<const std::byte> bytes) { return tree_checksums({&bytes, 1}, 1).front(); }

std::vector<std::uint64_t> tree_checksums(std::span<const std::span<const std::byte>> blocks, unsigned threads) {
  std::vector<std::span<const std::byte>> pieces;
  std::vector<std::size_t> first_piece;
  for (const std::span<const std::byte> block : blocks) {
    first_piece.push_back(pieces.size());
    for (std::size_t at = 0; at < block.size(); at += kChecksumPiece)
      pieces.push_back(block.subspan(at, std::min(kChecksumPiece, block.size() - at)));
  }
  first_piece.push_back(pieces.size());

  std::vector<std::uint64_t> sums(pieces.size());
  index::parallel_blocks(pieces.size(), 1, threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) sums[i] = checksum(pieces[i]);
  });

  std::vector<std::uint64_t> result;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const std::span<const std::uint64_t> own(sums.data() + first_piece[b], first_piece[b + 1] - first_piece[b]);
    result.push_back(checksum(std::as_bytes(own)));
  }
  return result;
}

}  // namespace nestor::storage
