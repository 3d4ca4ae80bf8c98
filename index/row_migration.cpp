#include "index/row_migration.h"

#include <algorithm>
#include <string>

namespace nestor::index {
namespace {

constexpr Slot kBlockSlots = 8192;

}  // namespace

void RowMigration::copy(Slot end, Tail* tail, const std::function<void(std::uint64_t)>& progress) {
  while (new_slot_.size() < end) {
    const auto first = static_cast<Slot>(new_slot_.size());
    copy_block(first, first + std::min(kBlockSlots, end - first), tail);
    if (progress) progress(new_slot_.size());
  }
}

void RowMigration::copy_block(Slot first, Slot end, Tail* tail) {
  // Headers and payloads are of one moment, vectors of a later one: rows with both are copied.
  std::vector<RowHeader> headers;
  std::vector<std::string> payloads;
  from_.for_each_payload(first, [&](const RowHeader& header, std::string_view payload) {
    if (header.slot >= end) return false;
    headers.push_back(header);
    payloads.emplace_back(payload);
    return true;
  });
  std::vector<StoredRow> rows;
  std::vector<float> vectors;
  std::vector<Slot> old_slots;
  vectors.reserve(headers.size() * dim_);
  std::size_t h = 0;
  from_.for_each_vector(first, end, dim_, [&](Slot slot, std::span<const float> row) {
    while (h < headers.size() && headers[h].slot < slot) ++h;
    if (h == headers.size()) return false;
    if (headers[h].slot != slot) return true;
    vectors.insert(vectors.end(), row.begin(), row.end());
    old_slots.push_back(slot);
    rows.push_back({headers[h], {}, payloads[h]});
    return true;
  });
  new_slot_.resize(end, kNoSlot);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].header.slot = static_cast<Slot>(next_++);
    rows[i].vector = std::span<const float>(vectors).subspan(i * dim_, dim_);
    new_slot_[old_slots[i]] = rows[i].header.slot;
  }
  if (rows.empty()) return;
  to_.put(rows);
  if (tail == nullptr) return;
  tail->reserve(rows.size());
  for (const StoredRow& row : rows)
    tail->append(
        {row.header.slot, PointEntry::make(row.header.id, row.header.version), row.header.value.value_or(kNoValue)},
        row.vector);
}

// Deaths come first: a point that was replaced is then found under its new row only.
void RowMigration::follow(const SlotChanges& changes, Slot end, Tail* tail) {
  std::vector<Slot> died;
  for (const Slot slot : changes.died) {
    if (slot >= new_slot_.size() || new_slot_[slot] == kNoSlot) continue;  // was dead before it could be copied
    died.push_back(new_slot_[slot]);
    new_slot_[slot] = kNoSlot;
  }
  if (!died.empty()) to_.bury(died);
  dead_.insert(dead_.end(), died.begin(), died.end());
  for (const Slot slot : changes.new_payloads) {
    if (slot >= new_slot_.size() || new_slot_[slot] == kNoSlot) continue;
    auto header = from_.header(slot);
    if (!header) continue;  // died since; the next round hears of it
    const std::string payload = from_.read_payload(slot);
    header->slot = new_slot_[slot];
    const StoredRow row{*header, {}, payload};
    to_.put({&row, 1});
  }
  copy(end, tail);
}

}  // namespace nestor::index
