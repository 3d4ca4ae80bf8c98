#pragma once
// Reads all live rows of a record store and makes the sections of a new generation.

#include <memory>
#include <vector>

#include "index/code_builder.h"
#include "index/collection.h"
#include "index/generation.h"
#include "index/memory.h"

namespace nestor::index {

// Sections and the memory they point into.
struct BuiltGeneration {
  Sequence sequence = 0;
  std::vector<Section> sections;
  std::vector<HugeBuffer> buffers;
  std::vector<std::vector<std::byte>> blocks;
  std::unique_ptr<CodeBuilder> codes;  // null: no graphs
  std::vector<GraphBytes> graphs;
  std::vector<std::string> notes;  // what was chosen, and why

  LoadedSections loaded() const { return {sequence, sections, nullptr}; }
};

// `previous` may be null; its rotation is kept.
// Holds all rows in memory while it works: rows * dim * 4 bytes, plus codes and one graph.
std::shared_ptr<BuiltGeneration> build_generation(const RecordStore& records, const CollectionOptions& options,
                                                  const Generation* previous, const BuildOptions& build);

}  // namespace nestor::index
