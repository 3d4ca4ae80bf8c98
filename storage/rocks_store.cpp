#include "storage/rocks_store.h"

#include <rocksdb/snapshot.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/band_scan.h"
#include "storage/certificate_codec.h"
#include "storage/file_io.h"
#include "storage/rocks_store_impl.h"
#include "storage/write_batch_builder.h"

namespace nestor::storage {

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksStore::~RocksStore() {
  const std::string directory = impl_->directory;
  const bool remove = impl_->remove_when_closed;
  impl_.reset();
  if (remove) remove_tree(directory);
}

void RocksStore::create(const std::filesystem::path& directory, const index::CollectionOptions& options,
                        const std::string& attributes, const std::shared_ptr<StoreResources>& resources) {
  rocksdb::DBOptions db_options = database_options(*resources);
  db_options.create_if_missing = true;
  db_options.create_missing_column_families = true;
  db_options.error_if_exists = true;
  const OpenDatabase db(db_options, directory.string(), *resources);
  rocksdb::WriteBatch batch;
  const std::string record = encode_collection({options.validated(), attributes});
  check(batch.Put(db.family(kMetaFamily), slice(kCollectionKey), record), "fill a write batch");
  check(batch.Put(db.family(kMetaFamily), slice(kStateKey), slice(encode_state({}).view())), "fill a write batch");
  check(db->Write(durable(), &batch), "write to " + directory.string());
}

std::shared_ptr<RocksStore> RocksStore::open(const std::filesystem::path& directory,
                                             const std::shared_ptr<StoreResources>& resources) {
  std::error_code ignored;
  if (!std::filesystem::exists(directory / "CURRENT", ignored))
    throw Error(std::filesystem::exists(directory, ignored) ? ErrorCode::data_loss : ErrorCode::not_found,
                directory.string() + " holds no RocksDB (no file CURRENT)");
  return std::shared_ptr<RocksStore>(new RocksStore(std::make_unique<Impl>(directory, resources)));
}

index::StoreState RocksStore::read_state(const std::filesystem::path& directory) {
  return open(directory, make_store_resources({.block_cache_bytes = 1 << 20, .write_buffer_bytes = 16 << 20}))->state();
}

void RocksStore::checkpoint(const std::filesystem::path& directory) const {
  rocksdb::Checkpoint* made = nullptr;
  check(rocksdb::Checkpoint::Create(&*impl_->db, &made), "prepare a checkpoint of " + impl_->directory);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  check(checkpoint->CreateCheckpoint(directory.string()), "copy " + impl_->directory + " to " + directory.string());
}

void RocksStore::refuse_writes(const std::string& reason) {
  const std::lock_guard write_lock(impl_->write_mutex);
  impl_->refusal = reason;
}

void RocksStore::remove_when_closed() { impl_->remove_when_closed = true; }

const index::CollectionOptions& RocksStore::options() const { return impl_->record.options; }
const std::string& RocksStore::attributes() const { return impl_->record.attributes; }
index::StoreState RocksStore::state() const { return impl_->current(); }

void RocksStore::write(const index::WriteOperation& operation) {
  const std::lock_guard write_lock(impl_->write_mutex);
  impl_->check_open_for_writes();
  const index::StoreState before = impl_->current();
  if (operation.sequence <= before.sequence) return;

  const std::size_t bytes = estimated_batch_bytes(operation, impl_->codec);
  if (bytes > kMaxOperationBytes)
    throw Error(ErrorCode::resource_exhausted, "one write of " + std::to_string(bytes >> 20) + " MiB, the limit is " +
                                                   std::to_string(kMaxOperationBytes >> 20) +
                                                   " MiB: write fewer points at a time");
  rocksdb::WriteBatch batch(bytes);
  const auto terms = impl_->current_terms();
  const BatchContext context = batch_context(before, terms->extractor.get());
  const index::StoreState after = append_operation(operation, context, batch);
  // Without somebody to make terms the indexes fall behind, and say so in the same batch.
  std::optional<TermState> behind;
  if (!terms->extractor && std::any_of(terms->indexes.begin(), terms->indexes.end(),
                                       [](const PayloadIndex& each) { return each.complete; })) {
    behind = *terms;
    for (PayloadIndex& each : behind->indexes) each.complete = false;
    impl_->put_terms_record(*behind, batch);
  }
  check(impl_->db->Write(rocksdb::WriteOptions(), &batch), "write to " + impl_->directory);

  if (behind) impl_->replace_terms(*std::move(behind));
  const std::lock_guard state_lock(impl_->state_mutex);
  impl_->state = after;
}

void RocksStore::sync(index::Sequence sequence) {
  if (options().sync == index::SyncPolicy::every_write) impl_->sync_log(sequence);
}

BatchContext RocksStore::batch_context(const index::StoreState& before, const TermExtractor* terms) const {
  return {impl_->db.families(),
          impl_->codec,
          before,
          [this](Slot slot) { return header(slot); },
          [this](Slot slot) { return read_payload(slot); },
          terms};
}

void RocksStore::put(std::span<const index::StoredRow> rows) {
  rocksdb::WriteBatch batch;
  const auto terms = impl_->current_terms();
  const BatchContext context = batch_context({}, terms->extractor.get());
  for (const index::StoredRow& row : rows) append_row(row, context, batch);
  check(impl_->db->Write(rocksdb::WriteOptions(), &batch), "write to " + impl_->directory);
}

void RocksStore::bury(std::span<const Slot> slots) {
  rocksdb::WriteBatch batch;
  const auto terms = impl_->current_terms();
  const BatchContext context = batch_context({}, terms->extractor.get());
  for (const Slot slot : slots) {
    const auto row = header(slot);
    if (!row) throw Error(ErrorCode::data_loss, impl_->directory + " has lost slot " + std::to_string(slot));
    Slot current = index::kNoSlot;
    find({&row->id, 1}, {&current, 1});
    append_burial(*row, current == slot, context, batch);
  }
  check(impl_->db->Write(rocksdb::WriteOptions(), &batch), "write to " + impl_->directory);
}

void RocksStore::seal(const index::StoreState& state) {
  const std::lock_guard write_lock(impl_->write_mutex);
  check(impl_->db->Put(durable(), impl_->db.family(kMetaFamily), slice(kStateKey), slice(encode_state(state).view())),
        "write to " + impl_->directory);
  const std::lock_guard state_lock(impl_->state_mutex);
  impl_->state = state;
}

void RocksStore::find(std::span<const index::PointId> ids, std::span<Slot> out) const {
  constexpr std::size_t kAtOnce = 128;
  std::array<IdKey, kAtOnce> keys;
  std::array<rocksdb::Slice, kAtOnce> slices;
  std::array<rocksdb::PinnableSlice, kAtOnce> values;
  std::array<rocksdb::Status, kAtOnce> statuses;
  for (std::size_t begin = 0; begin < ids.size(); begin += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, ids.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      keys[i] = encode_id_key(ids[begin + i]);
      slices[i] = slice(keys[i].view());
      values[i].Reset();
    }
    impl_->db->MultiGet(rocksdb::ReadOptions(), impl_->db.family(kIdsFamily), count, slices.data(), values.data(),
                        statuses.data());
    for (std::size_t i = 0; i < count; ++i) {
      out[begin + i] = index::kNoSlot;
      if (statuses[i].IsNotFound()) continue;
      check(statuses[i], "look up ids");
      out[begin + i] = decode_slot_value(view(values[i]));
    }
  }
}

std::optional<index::RowHeader> RocksStore::header(Slot slot) const {
  const auto bytes = impl_->db.get(kRowsFamily, encode_slot_key(slot).view(), "read a row header");
  if (!bytes) return std::nullopt;
  return decode_row_header(slot, *bytes);
}

bool RocksStore::read_vector(Slot slot, std::span<float> out) const {
  const VectorCodec& codec = impl_->codec;
  if (out.size() > codec.dim())
    throw Error(ErrorCode::invalid_argument, "asked for " + std::to_string(out.size()) +
                                                 " coordinates, the collection has " + std::to_string(codec.dim()));
  const std::size_t count = codec.bands_for(std::max<std::size_t>(out.size(), 1));
  std::array<BandKey, index::kMaxWidths> keys;
  std::array<rocksdb::Slice, index::kMaxWidths> slices;
  std::array<rocksdb::PinnableSlice, index::kMaxWidths> values;
  std::array<rocksdb::Status, index::kMaxWidths> statuses;
  for (std::size_t band = 0; band < count; ++band) {
    keys[band] = encode_band_key(static_cast<std::uint8_t>(band), slot);
    slices[band] = slice(keys[band].view());
  }
  // One MultiGet sees one moment, so a row is there with all its bands or not at all.
  impl_->db->MultiGet(rocksdb::ReadOptions(), impl_->db.family(kBandsFamily), count, slices.data(), values.data(),
                      statuses.data(), true);
  if (statuses[0].IsNotFound()) return false;
  for (std::size_t band = 0; band < count; ++band) {
    check(statuses[band], "read band " + std::to_string(band) + " of row " + std::to_string(slot));
    codec.decode(band, view(values[band]), out);
  }
  return true;
}

std::string RocksStore::read_payload(Slot slot) const {
  return impl_->db.get(kPayloadsFamily, encode_slot_key(slot).view(), "read a payload").value_or(std::string());
}

void RocksStore::for_each_header(Slot first, const std::function<bool(const index::RowHeader&)>& visit) const {
  const auto rows = impl_->db.scan(kRowsFamily);
  const auto start = encode_slot_key(first);
  for (rows->Seek(slice(start.view())); rows->Valid(); rows->Next())
    if (!visit(decode_row_header(decode_slot_key(view(rows->key())), view(rows->value())))) return;
  check(rows->status(), "scan row headers");
}

// Both families are ordered by slot: the payloads are read along with the rows. One snapshot, so that a payload
// change is seen in both or in neither.
void RocksStore::for_each_payload(
    Slot first, const std::function<bool(const index::RowHeader&, std::string_view payload)>& visit) const {
  rocksdb::ManagedSnapshot snapshot(&*impl_->db);
  const auto rows = impl_->db.scan(kRowsFamily, snapshot.snapshot());
  const auto payloads = impl_->db.scan(kPayloadsFamily, snapshot.snapshot());
  const auto start = encode_slot_key(first);
  payloads->Seek(slice(start.view()));
  for (rows->Seek(slice(start.view())); rows->Valid(); rows->Next()) {
    while (payloads->Valid() && payloads->key().compare(rows->key()) < 0) payloads->Next();
    check(payloads->status(), "scan payloads");
    const bool has_payload = payloads->Valid() && payloads->key() == rows->key();
    const auto header = decode_row_header(decode_slot_key(view(rows->key())), view(rows->value()));
    if (!visit(header, has_payload ? view(payloads->value()) : std::string_view())) return;
  }
  check(rows->status(), "scan row headers");
}

void RocksStore::for_each_vector(Slot first, Slot last, std::uint32_t width,
                                 const std::function<bool(Slot, std::span<const float>)>& visit) const {
  if (width == 0 || width > impl_->codec.dim())
    throw Error(ErrorCode::invalid_argument,
                "width " + std::to_string(width) + " is not in 1.." + std::to_string(impl_->codec.dim()));
  BandScan{*impl_->db, impl_->db.family(kBandsFamily), impl_->codec, first, last, width}.run(visit);
}

void RocksStore::for_each_dead(const std::function<void(Slot)>& visit) const {
  const auto dead = impl_->db.scan(kDeadFamily);
  for (dead->SeekToFirst(); dead->Valid(); dead->Next()) visit(decode_slot_key(view(dead->key())));
  check(dead->status(), "scan dead slots");
}

std::vector<std::pair<index::PointId, Slot>> RocksStore::list(const std::optional<index::PointId>& first,
                                                              std::size_t limit) const {
  std::vector<std::pair<index::PointId, Slot>> found;
  const std::unique_ptr<rocksdb::Iterator> ids(
      impl_->db->NewIterator(rocksdb::ReadOptions(), impl_->db.family(kIdsFamily)));
  const auto start = encode_id_key(first.value_or(index::PointId::number(0)));
  for (ids->Seek(slice(start.view())); found.size() < limit && ids->Valid(); ids->Next())
    found.emplace_back(decode_id_key(view(ids->key())), decode_slot_value(view(ids->value())));
  check(ids->status(), "list ids");
  return found;
}

void RocksStore::write_certificates(const std::vector<index::Certificate>& certificates) {
  const std::string bytes = encode_certificates(certificates);
  check(impl_->db->Put(durable(), impl_->db.family(kMetaFamily), slice(kCertificatesKey), bytes),
        "write to " + impl_->directory);
}

std::vector<index::Certificate> RocksStore::read_certificates() const {
  const auto bytes = impl_->db.get(kMetaFamily, kCertificatesKey, "read the certificates");
  if (!bytes) return {};
  return decode_certificates(*bytes);
}

}  // namespace nestor::storage
