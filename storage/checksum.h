#pragma once
// The checksum of Nestor's own files: XXH3-64 (xxHash 0.8, a fixed format). It finds damage; it does not stop forgery.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace nestor::storage {

inline constexpr std::string_view kChecksumName = "XXH3-64";

// Thread-safe, O(bytes).
std::uint64_t checksum(std::span<const std::byte> bytes);

// Checksum of a large block that can be verified with several threads: the checksum of the little-endian checksums
// of its pieces of kChecksumPiece bytes, the last one shorter. An empty block has no pieces.
inline constexpr std::size_t kChecksumPiece = std::size_t{4} << 20;
std::uint64_t tree_checksum(std::span<const std::byte> bytes);

// The same for several blocks at once, all pieces shared among `threads` threads (0: all cores).
std::vector<std::uint64_t> tree_checksums(std::span<const std::span<const std::byte>> blocks, unsigned threads);

}  // namespace nestor::storage
