#pragma once
// One search over one view: generation and tail together.

#include <memory>
#include <span>

#include "index/collection.h"
#include "index/generation.h"
#include "index/tail.h"

namespace nestor::index {

// What one search sees; replaced as a whole when a generation is published.
struct View {
  std::shared_ptr<const Generation> generation;  // never null, may be empty
  std::shared_ptr<Tail> tail;
};

// Answers queries [count x length], row-major, length = dim or one of the widths; exact ones share one pass over the
// rows. A write that happens meanwhile is seen whole or not at all, point by point. Throws Error invalid_argument.
void search_view(const View& view, const CollectionOptions& options, const DeadSlots& dead, std::span<const float> queries,
                 std::size_t count, const SearchOptions& search, QueryResult* results);

}  // namespace nestor::index
