#pragma once
// A data set as a generation in memory, without a disk below it.

#include <memory>
#include <vector>

#include "bench/ann/comparison_data.h"
#include "index/collection.h"
#include "index/generation.h"
#include "index/generation_builder.h"
#include "index/prepared_vector.h"
#include "tests/support/memory_store.h"

namespace nestor::bench::scan {

// graph: whether walks are measured as well; without them the graph is the cheapest that can be built.
index::CollectionOptions options_for(const ann::ComparisonData& data, bool graph);

struct BuiltRows {
  BuiltRows(const ann::ComparisonData& data, const index::CollectionOptions& options, unsigned threads);

  std::vector<index::PreparedQuery> prepare(std::span<const float> queries, std::size_t count) const;

  index::CollectionOptions options;
  std::shared_ptr<tests::MemoryRecordStore> records = std::make_shared<tests::MemoryRecordStore>();
  std::shared_ptr<index::BuiltGeneration> built;
  std::shared_ptr<const index::Generation> generation;
};

}  // namespace nestor::bench::scan
