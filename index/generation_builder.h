#pragma once
// Makes the sections of a new generation: from all live rows of a record store, or from the generation before and the
// rows that came since.

#include <memory>
#include <optional>
#include <vector>

#include "index/code_builder.h"
#include "index/collection.h"
#include "index/generation.h"
#include "index/memory.h"
#include "index/tail.h"

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
  std::optional<DefaultPolicy> policy;  // none: no graphs

  LoadedSections loaded() const { return {sequence, sections, nullptr}; }
};

// `previous` may be null; its rotation is kept.
// Holds all rows in memory while it works: rows * dim * 4 bytes, plus codes and one graph.
std::shared_ptr<BuiltGeneration> build_generation(const RecordStore& records, const CollectionOptions& options,
                                                  const Generation* previous, const BuildOptions& build);

// What a fold starts from: a generation and the first rows of its tail, which together hold every live slot below
// next_slot as of `sequence`.
struct FoldInput {
  const Generation& base;
  const Tail& tail;
  std::size_t tail_rows = 0;
  const DeadSlots& dead;
  Sequence sequence = 0;
  Slot next_slot = 0;
};

// Nothing is read from the records. The base's rotation and graphs stay, codes are made anew, and the tail's live
// rows are inserted into every graph; rows of the base that died stay as stepping stones, as links lead over them. Where the
// base has no graphs, they are built anew and without the dead. Memory as for build_generation.
std::shared_ptr<BuiltGeneration> fold_generation(const FoldInput& input, const CollectionOptions& options,
                                                 const BuildOptions& build);

}  // namespace nestor::index
