#pragma once
// What a generation's walks go by: which coordinates are coded, where there are graphs, what their rows are compared by.
// A build chooses it by measurement (layout_choice.h); it stays through folds.
//
// Section "layout" of a generation, little-endian uint32: version = 1, flags (1: walks compare rows, 2: codes are of
// rotated rows, 4: ... of mixed rows, see mixing.h), coded width, max_links, candidates at build, number of graphs, their widths, number of
// graphs that were asked for, their widths. Generations without it are
// laid out as their collection's options say.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "index/options.h"

namespace nestor::index {

struct Layout {
  bool walks_rows = false;     // walks compare stored rows and graphs are over exact distances; codes serve scans
  bool rotates_codes = false;  // codes and graphs are of rows turned by the generation's rotation
  bool mixes_codes = false;    // ... of mixed rows: only whole ones can be compared
  std::uint32_t coded = 0;     // leading coordinates that codes hold, one of the collection's widths
  std::vector<std::uint32_t> graphs;  // widths with a graph, ascending
  std::vector<std::uint32_t> asked;   // the collection's graphs when it was chosen: others ask for a new choice
  GraphParameters graph;

  bool operator==(const Layout&) const = default;

  // As the options say, without a choice.
  static Layout of(const CollectionOptions& options);
  // Throws Error data_loss on bytes that do not fit the options.
  static Layout from_bytes(std::span<const std::byte> bytes, const CollectionOptions& options);
  std::vector<std::byte> to_bytes() const;

  // The collection's widths that codes are cut at.
  std::vector<std::uint32_t> coded_widths(const CollectionOptions& options) const;
  // "7-bit codes of 256 of 768 coordinates", "stored rows"
  std::string describe(std::uint32_t dim) const;
};

}  // namespace nestor::index
