#pragma once
// Ranking rows by what several examples say of them together: exact, one pass over the rows.

#include <cstddef>
#include <functional>
#include <span>

#include "index/collection.h"
#include "index/generation.h"
#include "index/tail.h"
#include "index/view_search.h"

namespace nestor::index {

// The `search.k` best rows of the view, best first, ties to the smaller slot; Hit::score is the combined score and
// Hit::distance its negative. Of `search` also width, allowed_slots and explain count. O(rows x examples), thread-safe.
// Throws Error invalid_argument as a search does.
QueryResult search_combined(const View& view, const CollectionOptions& options, const CombinedQuery& query,
                            const SearchOptions& search);

}  // namespace nestor::index
