#include "index/row_choice.h"

#include <algorithm>
#include <bit>

namespace nestor::index {
namespace {

void look_up(const RecordStore& records, const RowChoice& choice, const std::function<void(const RowHeader&)>& visit) {
  std::vector<Slot> slots(choice.among->size());
  records.find(*choice.among, slots);
  for (const Slot slot : slots) {
    if (slot == kNoSlot) continue;
    const auto header = records.header(slot);
    if (!header) continue;  // erased since
    if (choice.accepts(*header, choice.reads_payload ? records.read_payload(slot) : std::string())) visit(*header);
  }
}

bool has(const SelectedSlots& slots, Slot slot) {
  return slot / 64 < slots.size() && (slots[slot / 64] >> (slot % 64) & 1) != 0;
}

// A look-up costs about as much as passing this many rows in a scan.
constexpr std::uint64_t kRowsALookUp = 16;

bool few(const SelectedSlots& slots, std::uint64_t rows) {
  std::uint64_t count = 0;
  for (const std::uint64_t word : slots) count += static_cast<std::uint64_t>(std::popcount(word));
  return count * kRowsALookUp < rows;
}

void look_up_slots(const RecordStore& records, const RowChoice& choice,
                   const std::function<void(const RowHeader&)>& visit) {
  for (std::size_t word = 0; word < choice.within->size(); ++word)
    for (std::uint64_t bits = (*choice.within)[word]; bits != 0; bits &= bits - 1) {
      const auto slot = static_cast<Slot>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      const auto header = records.header(slot);
      if (!header) continue;  // died since
      if (choice.accepts(*header, choice.reads_payload ? records.read_payload(slot) : std::string())) visit(*header);
    }
}

}  // namespace

void for_each_chosen(const RecordStore& records, const RowChoice& choice,
                     const std::function<void(const RowHeader&)>& visit) {
  if (choice.among) return look_up(records, choice, visit);
  if (choice.within && few(*choice.within, records.state().points)) return look_up_slots(records, choice, visit);
  const auto look = [&](const RowHeader& header, std::string_view payload) {
    if (choice.within && !has(*choice.within, header.slot)) return true;
    if (choice.accepts(header, payload)) visit(header);
    return true;
  };
  if (choice.reads_payload)
    records.for_each_payload(0, look);
  else
    records.for_each_header(0, [&](const RowHeader& header) { return look(header, {}); });
}

std::vector<std::uint64_t> choose_slots(const RecordStore& records, const RowChoice& choice) {
  std::vector<std::uint64_t> words(1);
  for_each_chosen(records, choice, [&](const RowHeader& header) {
    const std::size_t word = header.slot / 64;
    if (word >= words.size()) words.resize(std::max(word + 1, words.size() * 2));
    words[word] |= std::uint64_t{1} << (header.slot % 64);
  });
  return words;
}

std::vector<PointId> choose_ids(const RecordStore& records, const RowChoice& choice) {
  std::vector<PointId> ids;
  for_each_chosen(records, choice, [&](const RowHeader& header) { ids.push_back(header.id); });
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace nestor::index
