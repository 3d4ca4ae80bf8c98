#pragma once
// Choosing rows by what they hold besides their vector: what a filter comes down to.

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "index/record_store.h"

namespace nestor::index {

// A set of slots. Bit i of word i / 64 is slot i; slots are renumbered by compaction, hence RecordStore::numbering of
// those that these are of.
struct SelectedSlots : std::vector<std::uint64_t> {
  SelectedSlots() = default;
  SelectedSlots(std::vector<std::uint64_t> words, std::uint64_t numbering_of_them)
      : vector(std::move(words)), numbering(numbering_of_them) {}
  std::uint64_t numbering = 0;
};

struct RowChoice {
  // Called from one thread at a time. The payload is JSON object text or empty; always empty without reads_payload.
  std::function<bool(const RowHeader&, std::string_view payload)> accepts;
  bool reads_payload = true;
  // Only these points are looked at, the rest is not read. nullopt: every live row, one sequential scan.
  std::optional<std::vector<PointId>> among;
  // Only these slots, bits as in SearchOptions::allowed_slots, of the store's numbering: looked up one by one where they are few, else picked out
  // of the scan. nullptr: all. Not together with `among`. Must outlive the call.
  const SelectedSlots* within = nullptr;
};

// Calls `visit` for each row chosen, in slot order of one moment, or in the order of `among`, where points are looked
// up one after the other and a point named twice is visited twice.
void for_each_chosen(const RecordStore& records, const RowChoice& choice,
                     const std::function<void(const RowHeader&)>& visit);

// As SearchOptions::allowed_slots takes them. Never empty: where nothing is chosen there is one word, zero.
std::vector<std::uint64_t> choose_slots(const RecordStore& records, const RowChoice& choice);
// Ascending, without repetition.
std::vector<PointId> choose_ids(const RecordStore& records, const RowChoice& choice);

}  // namespace nestor::index
