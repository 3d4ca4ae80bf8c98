#include "storage/write_batch_builder.h"

#include <rocksdb/write_batch.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "index/error.h"
#include "storage/record_codec.h"
#include "storage/rocks_error.h"
#include "storage/rocks_options.h"
#include "storage/term_index.h"

namespace nestor::storage {
namespace {

using index::Slot;

[[noreturn]] void contradiction(const std::string& what) {
  throw index::Error(index::ErrorCode::invalid_argument, "write operation: " + what);
}

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

// The records of one row, put and removed.
class RowAppender {
 public:
  RowAppender(const BatchContext& context, rocksdb::WriteBatch& batch) : context_(context), batch_(batch) {}

  void put(Family family, std::string_view key, std::string_view value) {
    check(batch_.Put(context_.families[family], slice(key), slice(value)), "fill a write batch");
  }
  void remove(Family family, std::string_view key) {
    check(batch_.Delete(context_.families[family], slice(key)), "fill a write batch");
  }
  void put_vector(Slot slot, std::span<const float> vector) {
    const std::string_view encoded = context_.codec.encode(vector, halves_);
    for (std::size_t band = 0; band < context_.codec.bands(); ++band)
      put(kBandsFamily, encode_band_key(static_cast<std::uint8_t>(band), slot).view(),
          context_.codec.band_of(encoded, band));
  }
  void put_header(const index::RowHeader& header) {
    put(kRowsFamily, encode_slot_key(header.slot).view(), encode_row_header(header).view());
  }
  void put_id(const index::PointId& id, Slot slot) {
    put(kIdsFamily, encode_id_key(id).view(), encode_slot_value(slot).view());
  }
  void bury(Slot slot) {
    const auto slot_key = encode_slot_key(slot);
    remove(kRowsFamily, slot_key.view());
    remove(kPayloadsFamily, slot_key.view());
    for (std::size_t band = 0; band < context_.codec.bands(); ++band)
      remove(kBandsFamily, encode_band_key(static_cast<std::uint8_t>(band), slot).view());
    put(kDeadFamily, slot_key.view(), {});
  }

 private:
  const BatchContext& context_;
  rocksdb::WriteBatch& batch_;
  std::vector<std::uint16_t> halves_;
};

class Appender {
 public:
  Appender(const index::WriteOperation& operation, const BatchContext& context, rocksdb::WriteBatch& batch)
      : operation_(operation), context_(context), rows_(context, batch), points_(context.before.points) {
    if (context.terms != nullptr) terms_.emplace(*context.terms, context.families[kTermsFamily], batch);
  }

  index::StoreState run() {
    if (operation_.next_slot < context_.before.next_slot)
      contradiction("next slot " + std::to_string(operation_.next_slot) + " is below " +
                    std::to_string(context_.before.next_slot) + ", which is in use");
    for (const index::UpsertRecord& record : operation_.upserts) upsert(record);
    for (const index::EraseRecord& record : operation_.erases) erase(record);
    for (const index::PayloadRecord& record : operation_.payloads) change_payload(record);
    const index::StoreState after{operation_.sequence, operation_.next_slot, points_};
    rows_.put(kMetaFamily, kStateKey, encode_state(after).view());
    return after;
  }

 private:
  void upsert(const index::UpsertRecord& record) {
    if (record.vector.size() != context_.codec.dim())
      contradiction("point " + to_string(record.id) + " has " + std::to_string(record.vector.size()) +
                    " coordinates, the collection has " + std::to_string(context_.codec.dim()));
    check_slot(record.slot);
    rows_.put_vector(record.slot, record.vector);
    put_header({record.slot, record.id, operation_.sequence, record.value});
    if (!record.payload.empty()) rows_.put(kPayloadsFamily, encode_slot_key(record.slot).view(), record.payload);
    if (terms_) put_terms(record.slot, record.payload, record.value);
    rows_.put_id(record.id, record.slot);
    if (record.replaced == index::kNoSlot)
      ++points_;
    else
      bury(record.replaced);
  }

  void erase(const index::EraseRecord& record) {
    if (points_ == 0) contradiction("erases point " + to_string(record.id) + " from an empty collection");
    rows_.remove(kIdsFamily, encode_id_key(record.id).view());
    bury(record.slot);
    --points_;
  }

  void change_payload(const index::PayloadRecord& record) {
    check_slot(record.slot);
    const auto own = headers_.find(record.slot);
    const auto header = own != headers_.end() ? std::optional(own->second) : context_.stored_header(record.slot);
    if (!header) contradiction("payload for slot " + std::to_string(record.slot) + ", which holds no row");
    put_header({record.slot, header->id, operation_.sequence, record.value});
    if (terms_) {
      remove_terms(record.slot);
      put_terms(record.slot, record.payload, record.value);
    }
    const auto slot_key = encode_slot_key(record.slot);
    if (record.payload.empty())
      rows_.remove(kPayloadsFamily, slot_key.view());
    else
      rows_.put(kPayloadsFamily, slot_key.view(), record.payload);
  }

  void bury(Slot slot) {
    check_slot(slot);
    if (terms_) remove_terms(slot);
    rows_.bury(slot);
    if (!operation_.payloads.empty()) headers_[slot] = std::nullopt;
  }

  struct IndexedRow {
    std::string_view payload;
    std::optional<std::uint32_t> value;
  };

  void put_terms(Slot slot, std::string_view payload, std::optional<std::uint32_t> value) {
    terms_->put(slot, payload, value);
    indexed_[slot] = {payload, value};
  }

  // Of the row as this operation left it, or else as it is stored.
  void remove_terms(Slot slot) {
    if (const auto own = indexed_.find(slot); own != indexed_.end()) {
      terms_->remove(slot, own->second.payload, own->second.value);
      indexed_.erase(own);
      return;
    }
    if (const auto header = context_.stored_header(slot))
      terms_->remove(slot, context_.stored_payload(slot), header->value);
  }

  void put_header(const index::RowHeader& header) {
    rows_.put_header(header);
    if (!operation_.payloads.empty()) headers_[header.slot] = header;
  }

  void check_slot(Slot slot) const {
    if (slot >= operation_.next_slot)
      contradiction("slot " + std::to_string(slot) + " is not below the next slot " +
                    std::to_string(operation_.next_slot));
  }

  const index::WriteOperation& operation_;
  const BatchContext& context_;
  RowAppender rows_;
  std::uint64_t points_;
  // Rows this operation wrote or buried, kept only when it also changes payloads.
  std::unordered_map<Slot, std::optional<index::RowHeader>> headers_;
  std::optional<TermWriter> terms_;
  std::unordered_map<Slot, IndexedRow> indexed_;  // rows this operation wrote terms for
};

}  // namespace

std::size_t estimated_batch_bytes(const index::WriteOperation& operation, const VectorCodec& codec) {
  constexpr std::size_t kEntryBytes = 16;  // tags, family, lengths and key of one entry
  const std::size_t burial_bytes = (codec.bands() + 3) * kEntryBytes;
  std::size_t bytes = 128;
  for (const index::UpsertRecord& record : operation.upserts)
    bytes += codec.vector_bytes() + (codec.bands() + 2) * kEntryBytes + 64 + record.payload.size() +
             (record.replaced == index::kNoSlot ? 0 : burial_bytes);
  bytes += operation.erases.size() * (burial_bytes + 32);
  for (const index::PayloadRecord& record : operation.payloads) bytes += 3 * kEntryBytes + 64 + record.payload.size();
  return bytes;
}

index::StoreState append_operation(const index::WriteOperation& operation, const BatchContext& context,
                                   rocksdb::WriteBatch& batch) {
  return Appender(operation, context, batch).run();
}

namespace {

// Of the row as it is stored.
void remove_stored_terms(Slot slot, const BatchContext& context, rocksdb::WriteBatch& batch) {
  if (context.terms == nullptr) return;
  if (const auto header = context.stored_header(slot))
    TermWriter(*context.terms, context.families[kTermsFamily], batch)
        .remove(slot, context.stored_payload(slot), header->value);
}

}  // namespace

void append_row(const index::StoredRow& row, const BatchContext& context, rocksdb::WriteBatch& batch) {
  RowAppender rows(context, batch);
  if (row.vector.empty()) remove_stored_terms(row.header.slot, context, batch);
  if (context.terms != nullptr)
    TermWriter(*context.terms, context.families[kTermsFamily], batch)
        .put(row.header.slot, row.payload, row.header.value);
  if (!row.vector.empty()) {
    rows.put_vector(row.header.slot, row.vector);
    rows.put_id(row.header.id, row.header.slot);
  }
  rows.put_header(row.header);
  const auto slot_key = encode_slot_key(row.header.slot);
  if (row.payload.empty())
    rows.remove(kPayloadsFamily, slot_key.view());
  else
    rows.put(kPayloadsFamily, slot_key.view(), row.payload);
}

void append_burial(const index::RowHeader& row, bool found, const BatchContext& context, rocksdb::WriteBatch& batch) {
  remove_stored_terms(row.slot, context, batch);
  RowAppender rows(context, batch);
  rows.bury(row.slot);
  if (found) rows.remove(kIdsFamily, encode_id_key(row.id).view());
}

}  // namespace nestor::storage
