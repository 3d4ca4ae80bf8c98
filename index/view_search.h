#pragma once
// One search over one view: generation and tail together.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/collection.h"
#include "index/generation.h"
#include "index/live_share.h"
#include "index/record_store.h"
#include "index/tail.h"

namespace nestor::index {

// How slots were renumbered by the last compaction, for selections made before it.
struct Renumbering {
  std::uint64_t from = 0;      // numbering that the old slots are of
  std::vector<Slot> new_slot;  // kNoSlot: dead
};

// What one search sees; replaced as a whole when a generation is published. Slots in all of it are of one numbering.
struct View {
  std::shared_ptr<const Generation> generation;  // never null, may be empty
  std::shared_ptr<Tail> tail;
  std::shared_ptr<DeadSlots> dead;
  std::shared_ptr<RecordStore> records;
  std::shared_ptr<const Renumbering> renumbering;  // null: never compacted since it was opened
  std::shared_ptr<LiveShare> live_share = std::make_shared<LiveShare>();  // of this generation
  std::shared_ptr<const TunedPolicy> tuned = {};                          // null: the default of the build

  std::uint64_t numbering() const { return records->numbering(); }
};

// Whether a search's allowed slots are of another numbering than the view's.
bool selected_otherwise(const View& view, const SearchOptions& search);

// The same selection in this view's slots. Throws Error unavailable when it is older than the last compaction but one.
std::vector<std::uint64_t> renumber_slots(const View& view, std::span<const std::uint64_t> slots,
                                          std::uint64_t numbering);

// Answers queries [count x length], row-major, length = dim or one of the widths; exact ones share one pass over the
// rows. A write that happens meanwhile is seen whole or not at all, point by point. Throws Error invalid_argument.
void search_view(const View& view, const CollectionOptions& options, std::span<const float> queries, std::size_t count,
                 const SearchOptions& search, QueryResult* results);

}  // namespace nestor::index
