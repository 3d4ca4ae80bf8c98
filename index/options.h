#pragma once
// What a collection is made of. Fixed at creation; stored with the collection.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "index/types.h"

namespace nestor::index {

inline constexpr std::uint32_t kMaxDim = 65536;
inline constexpr std::uint32_t kMaxWidths = 16;
inline constexpr std::uint32_t kMaxNeighbours = 4096;  // largest k of one query

// HNSW construction (Malkov & Yashunin 2016). Level 0 keeps 2 * max_links links.
struct GraphParameters {
  std::uint32_t max_links = 16;              // M
  std::uint32_t candidates_at_build = 100;   // efConstruction; measured: 200 finds no more at equal work
  std::uint64_t seed = 42;

  bool operator==(const GraphParameters&) const = default;
};

struct CollectionOptions {
  std::uint32_t dim = 0;                     // D, 1..kMaxDim
  Metric metric = Metric::cosine;
  ScalarType scalar_type = ScalarType::float32;
  std::vector<std::uint32_t> widths;         // ascending, last == dim; empty: default_widths(dim)
  std::vector<std::uint32_t> graphs;         // subset of widths that get a graph; empty: default_graphs(widths, rotation)
  Rotation rotation = Rotation::none;
  SyncPolicy sync = SyncPolicy::every_write;
  GraphParameters graph;
  WalkCodes walk_codes = WalkCodes::automatic;
  // Fewer live rows than this: no graph, exact search.
  std::uint32_t exact_below = 5000;

  bool operator==(const CollectionOptions&) const = default;

  // Fills defaults and checks everything. Throws Error invalid_argument with the value and the limit.
  CollectionOptions validated() const;
};

// Powers of two from 32 up to below dim, then dim: dim 256 -> 32, 64, 128, 256.
std::vector<std::uint32_t> default_widths(std::uint32_t dim);
// One graph, at the widest width of at most 256 coordinates: measured, int8 codes of min(D, 256)
// coordinates cost no recall (docs/architecture.md). Rotated: at most 128, since principal components say more each
// and every coded coordinate of a query costs dim multiply-adds.
std::vector<std::uint32_t> default_graphs(const std::vector<std::uint32_t>& widths, Rotation rotation);

}  // namespace nestor::index
