#pragma once
// Builds one HNSW graph over code rows with hnswlib, anew or on top of a frozen one, and freezes it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "index/frozen_graph.h"
#include "index/options.h"
#include "index/quantizer.h"
#include "index/row_copies.h"
#include "index/types.h"

namespace nestor::index {

struct GraphBuildInput {
  // What is compared: codes, or where there are none the rows themselves.
  const std::uint8_t* codes = nullptr;  // row r at codes + r * stride
  std::size_t stride = 0;
  const float* values = nullptr;        // row r at values + r * width
  std::size_t rows = 0;     // at least 1
  std::uint32_t width = 0;  // coordinates the graph is built over
  const Quantizer* quantizer = nullptr;
  Metric metric = Metric::l2;
  GraphParameters parameters;
  unsigned threads = 1;  // 1: deterministic for a given seed
  // A graph over the first base->rows() rows and the same parameters: only the rows behind them are inserted. Its rows
  // and links stay, dead or alive; null: a new graph.
  const FrozenGraph* base = nullptr;
  std::span<const RowCopy> copies;  // rows left out, see row_copies.h; empty: all are inserted
  std::function<void(std::uint64_t done)> progress;
};

// cosine graphs are built by squared L2 over the raw prefix of the unit vectors (measured: as good as dot);
// dot graphs by the dot product. Every row that is not a copy can be reached from the entry over level 0 links
// (graph_repair.h). Throws Error resource_exhausted. O(n log rows * width) for n rows to insert, and
// O(rows * (links + width)) for copying a base.
GraphBytes build_graph(const GraphBuildInput& input);

}  // namespace nestor::index
