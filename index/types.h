#pragma once
// The small words every room uses: ids, slots, metrics, scalar types.

#include <array>
#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace nestor::index {

// Internal row number: dense, only grows until compaction, never leaves index/ and storage/.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = std::numeric_limits<Slot>::max();

// Number of the operation that last changed something; starts at 1, 0 = nothing written yet.
using Sequence = std::uint64_t;

// Inside Nestor smaller is nearer. l2: squared Euclidean distance. dot: minus the dot product.
// cosine: vectors are normalised when written, distance = 1 - dot.
enum class Metric : std::uint8_t { l2 = 0, dot = 1, cosine = 2 };

// How a stored coordinate is kept.
enum class ScalarType : std::uint8_t { float32 = 0, float16 = 1 };

// Whether an orthogonal rotation is learnt when graphs are built (for vectors that are not nested).
enum class Rotation : std::uint8_t { none = 0, pca = 1 };

// When a write is durable. every_write: before it is acknowledged; writers that come together share one sync.
// interval: within a second after it, so a power cut (not a crash of the program) may lose the last second.
enum class SyncPolicy : std::uint8_t { every_write = 0, interval = 1 };

// What walks compare: see index/simd/kernels.h.
enum class WalkCodes : std::uint8_t {
  automatic = 0,     // measured when graphs are built (index/code_choice.h)
  whole = 1,         // 7 bits a coordinate
  leading_bits = 2,  // 4 bits a coordinate; what is found is compared again by whole codes
};

std::string_view to_string(Metric metric);      // "l2", "dot", "cosine"
std::string_view to_string(ScalarType type);    // "float32", "float16"
std::string_view to_string(Rotation rotation);  // "none", "pca"
Metric parse_metric(std::string_view text);     // throws Error invalid_argument
ScalarType parse_scalar_type(std::string_view text);
Rotation parse_rotation(std::string_view text);
std::string_view to_string(SyncPolicy policy);  // "every_write", "interval"
SyncPolicy parse_sync_policy(std::string_view text);
std::string_view to_string(WalkCodes codes);  // "auto", "whole", "leading_bits"
WalkCodes parse_walk_codes(std::string_view text);

// What users see for an internal distance (Qdrant's convention): l2 -> sqrt (smaller is nearer),
// dot and cosine -> the similarity (larger is nearer; a cosine lies in -1..1).
float score_from_distance(Metric metric, float distance);

// A user's name for a point: an unsigned 64-bit integer or a 128-bit UUID.
// Order: all integers first, ascending, then UUIDs by their bytes.
struct PointId {
  bool is_uuid = false;
  std::uint64_t high = 0;  // UUID bytes 0..7, big-endian; 0 for an integer
  std::uint64_t low = 0;   // UUID bytes 8..15, or the integer

  static PointId number(std::uint64_t value) { return {false, 0, value}; }
  // Accepts 8-4-4-4-12, 32 hex digits and urn:uuid:..., any case. Throws Error invalid_argument.
  static PointId uuid(std::string_view text);
  static std::optional<PointId> parse_uuid(std::string_view text);  // the same, none instead of an Error

  auto operator<=>(const PointId&) const = default;
};

// Decimal number, or lower-case 8-4-4-4-12 without quotes.
std::string to_string(const PointId& id);

struct PointIdHash {
  std::size_t operator()(const PointId& id) const {
    std::uint64_t h = (id.low + (id.is_uuid ? 0x9E3779B97F4A7C15ull : 0)) ^ (id.high * 0xC2B2AE3D27D4EB4Full);
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
    return static_cast<std::size_t>(h ^ (h >> 31));
  }
};

}  // namespace nestor::index
