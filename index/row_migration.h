#pragma once
// Compaction's copying: the live rows of a record store get new, dense slots in its successor, and what changes
// meanwhile is carried over until the two hold the same.

#include <cstdint>
#include <functional>
#include <vector>

#include "index/record_store.h"
#include "index/tail.h"

namespace nestor::index {

// What happened to slots below some limit while they were copied. Slots at or above it are new rows.
struct SlotChanges {
  std::vector<Slot> died;
  std::vector<Slot> new_payloads;

  std::size_t size() const { return died.size() + new_payloads.size(); }
};

// One thread at a time.
class RowMigration {
 public:
  RowMigration(const RecordStore& from, StoreSuccessor& to, std::uint32_t dim) : from_(from), to_(to), dim_(dim) {}

  // Copies the live rows of slots up to (excluding) `end` that have not been looked at yet, in order. `tail`: gets the
  // rows too, unpublished; may be null. A row that dies meanwhile may be copied or not: its death must be followed.
  void copy(Slot end, Tail* tail, const std::function<void(std::uint64_t done)>& progress = {});
  // Changes since the last call (or since before the first copy), then the rows up to `end`.
  void follow(const SlotChanges& changes, Slot end, Tail* tail);

  Slot next_slot() const { return static_cast<Slot>(next_); }
  std::uint64_t alive() const { return next_ - dead_.size(); }
  const std::vector<Slot>& dead() const { return dead_; }  // new slots that died since they were copied
  // New slot of each old one, kNoSlot: it has none.
  std::vector<Slot> take_map() { return std::move(new_slot_); }

 private:
  void copy_block(Slot first, Slot end, Tail* tail);

  const RecordStore& from_;
  StoreSuccessor& to_;
  std::uint32_t dim_;
  std::uint64_t next_ = 0;
  std::vector<Slot> new_slot_;
  std::vector<Slot> dead_;
};

}  // namespace nestor::index
