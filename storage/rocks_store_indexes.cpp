// The payload indexes of a RocksStore.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/rocks_store_impl.h"

namespace nestor::storage {

void RocksStore::Impl::change_terms(TermState next, std::uint32_t cleared) {
  check_writable();
  next.extractor = next.indexes.empty() || !make_extractor ? nullptr : make_extractor(next.indexes);
  rocksdb::WriteBatch batch;
  if (cleared != 0) remove_all_terms(cleared, db.family(kTermsFamily), batch);
  put_terms_record(next, batch);
  check(db->Write(durable(), &batch), "write to " + directory);
  replace_terms(std::move(next));
}

Slot RocksStore::Impl::fill_some(const TermExtractor& extractor, Slot first) {
  constexpr std::size_t kRowsAtOnce = 4096;
  check_writable();
  rocksdb::WriteBatch batch;
  TermWriter writer(extractor, db.family(kTermsFamily), batch);
  const auto rows = db.scan(kRowsFamily);
  const auto payloads = db.scan(kPayloadsFamily);
  const auto start = encode_slot_key(first);
  payloads->Seek(slice(start.view()));
  std::size_t count = 0;
  rows->Seek(slice(start.view()));
  for (; rows->Valid() && count < kRowsAtOnce; rows->Next(), ++count) {
    while (payloads->Valid() && payloads->key().compare(rows->key()) < 0) payloads->Next();
    check(payloads->status(), "scan payloads");
    const bool has_payload = payloads->Valid() && payloads->key() == rows->key();
    const auto header = decode_row_header(decode_slot_key(view(rows->key())), view(rows->value()));
    writer.put(header.slot, has_payload ? view(payloads->value()) : std::string_view(), header.value);
  }
  check(rows->status(), "scan row headers");
  const Slot next = rows->Valid() ? decode_slot_key(view(rows->key())) : index::kNoSlot;
  check(db->Write(rocksdb::WriteOptions(), &batch), "write to " + directory);
  return next;
}

void RocksStore::Impl::fill(const PayloadIndex& target) {
  const auto extractor = make_extractor({target});
  for (Slot at = 0; at != index::kNoSlot;) {
    const std::lock_guard write_lock(write_mutex);
    at = fill_some(*extractor, at);
  }
  const std::lock_guard write_lock(write_mutex);
  TermState next = *current_terms();
  for (PayloadIndex& each : next.indexes)
    if (each.number == target.number) each.complete = true;
  change_terms(std::move(next), 0);
}

void RocksStore::use_payload_terms(const MakeTermExtractor& make) {
  const std::lock_guard index_lock(impl_->index_mutex);
  std::vector<PayloadIndex> unfinished;
  {
    const std::lock_guard write_lock(impl_->write_mutex);
    impl_->make_extractor = make;
    TermState next = *impl_->current_terms();
    if (next.indexes.empty()) return;
    next.extractor = make(next.indexes);
    for (const PayloadIndex& each : next.indexes)
      if (!each.complete) unfinished.push_back(each);
    impl_->replace_terms(next);
    for (const PayloadIndex& each : unfinished) impl_->change_terms(next, each.number);
  }
  for (const PayloadIndex& each : unfinished) impl_->fill(each);
}

void RocksStore::create_index(const std::string& field, const std::string& definition) {
  const std::lock_guard index_lock(impl_->index_mutex);
  if (!impl_->make_extractor)
    throw Error(ErrorCode::failed_precondition, "payload indexes need a program that makes terms of payloads");
  PayloadIndex added{0, field, definition, false};
  {
    const std::lock_guard write_lock(impl_->write_mutex);
    TermState next = *impl_->current_terms();
    std::uint32_t replaced = 0;
    if (const PayloadIndex* old = next.find(field)) {
      if (old->definition == definition && old->complete) return;
      replaced = old->number;
      std::erase_if(next.indexes, [&](const PayloadIndex& each) { return each.number == replaced; });
    }
    added.number = next.next_number++;
    next.indexes.push_back(added);
    impl_->change_terms(std::move(next), replaced);
  }
  impl_->fill(added);
}

bool RocksStore::drop_index(const std::string& field) {
  const std::lock_guard index_lock(impl_->index_mutex);
  const std::lock_guard write_lock(impl_->write_mutex);
  TermState next = *impl_->current_terms();
  const PayloadIndex* old = next.find(field);
  if (!old) return false;
  const std::uint32_t number = old->number;
  std::erase_if(next.indexes, [&](const PayloadIndex& each) { return each.number == number; });
  impl_->change_terms(std::move(next), number);
  return true;
}

std::vector<PayloadIndex> RocksStore::payload_indexes() const { return impl_->current_terms()->indexes; }

std::shared_ptr<const TermReader> RocksStore::read_terms() const {
  auto in_use = impl_->db.use();
  return storage::read_terms({*impl_->db, impl_->db.family(kMetaFamily), impl_->db.family(kTermsFamily), numbering(), std::move(in_use)},
                             impl_->current_terms());
}

// Every row a successor gets comes with its terms; without somebody to make them the indexes stay unfinished.
void RocksStore::inherit_indexes(const RocksStore& from, const MakeTermExtractor& make) {
  const std::lock_guard index_lock(impl_->index_mutex);
  const std::lock_guard write_lock(impl_->write_mutex);
  TermState next = *from.impl_->current_terms();
  if (next.indexes.empty()) return;
  impl_->make_extractor = make;
  for (PayloadIndex& each : next.indexes) each.complete = make != nullptr;
  impl_->change_terms(std::move(next), 0);
}

void RocksStore::follow_indexes(const RocksStore& from) {
  const std::lock_guard index_lock(impl_->index_mutex);
  const std::lock_guard write_lock(impl_->write_mutex);
  const auto theirs = from.impl_->current_terms();
  const auto ours = impl_->current_terms();
  const auto among = [](const TermState& state, std::uint32_t number) {
    return std::any_of(state.indexes.begin(), state.indexes.end(),
                       [&](const PayloadIndex& each) { return each.number == number; });
  };
  TermState next = *ours;
  next.next_number = theirs->next_number;
  for (const PayloadIndex& each : ours->indexes) {
    if (among(*theirs, each.number)) continue;
    std::erase_if(next.indexes, [&](const PayloadIndex& mine) { return mine.number == each.number; });
    impl_->change_terms(next, each.number);
  }
  bool grown = false;
  for (PayloadIndex each : theirs->indexes) {
    if (among(*ours, each.number)) continue;
    each.complete = false;
    next.indexes.push_back(std::move(each));
    grown = true;
  }
  if (grown) impl_->change_terms(std::move(next), 0);
}

}  // namespace nestor::storage
