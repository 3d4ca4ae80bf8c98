#include "index/row_choice.h"

#include <algorithm>

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

}  // namespace

void for_each_chosen(const RecordStore& records, const RowChoice& choice,
                     const std::function<void(const RowHeader&)>& visit) {
  if (choice.among) return look_up(records, choice, visit);
  const auto look = [&](const RowHeader& header, std::string_view payload) {
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
