#pragma once
// Finds the layout that a generation is searched by: tries one after the other (layouts_to_try), measures what searches
// find, and takes the first that is enough.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/code_builder.h"
#include "index/collection.h"
#include "index/default_policy.h"
#include "index/generation.h"
#include "index/graph_builder.h"
#include "index/layout.h"
#include "index/recall_questions.h"
#include "index/row_copies.h"
#include "index/tail.h"

namespace nestor::index {

// All that is pointed to must outlive the search.
struct LayoutSearchInput {
  const CollectionOptions* options = nullptr;
  const BuildOptions* build = nullptr;
  const float* rows = nullptr;  // [count x options.dim]
  std::size_t count = 0;        // at least 1
  const PcaRotation* rotation = nullptr;
  std::span<const RowCopy> copies;
  const Generation* base = nullptr;  // a fold: its layout and graphs are kept, its rows come first
  const DeadSlots* dead = nullptr;   // rows of the base among them stay in the graphs
  double wanted_recall = 0;
  unsigned threads = 1;
  LoadedSections common;  // what every layout shares: rows, slots, points, values, rotation, copies
  std::function<void(const std::string& phase, std::uint64_t done, std::uint64_t total)> progress;
};

// Codes and graphs of one layout, and what searches by them find.
struct LaidOut {
  Layout layout;
  std::vector<std::byte> layout_bytes;
  std::unique_ptr<CodeBuilder> codes;
  std::vector<GraphBytes> graphs;
  DefaultPolicy policy;

  // Of codes, layout and graphs; they point into this object, and stay where they are when it is moved.
  std::vector<Section> sections() const;
};

// The first layout by which searches find what is wanted; a fold keeps its base's. Where none is enough, the one that
// finds most, and searches scan. `notes` gets what was tried, and what came of it.
LaidOut search_layout(const LayoutSearchInput& input, const RecallQuestions& asked, std::vector<std::string>& notes);

}  // namespace nestor::index
