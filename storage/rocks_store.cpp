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
#include "storage/tuned_policy_codec.h"
#include "storage/file_io.h"
#include "storage/rocks_store_impl.h"
#include "storage/store_env.h"
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
  db_options.env = draft_env();  // RocksDB alone would wait for the disk forty times
  db_options.create_if_missing = true;
  db_options.create_missing_column_families = true;
  db_options.error_if_exists = true;
  const std::string record = encode_collection({options.validated(), attributes});
  {
    const OpenDatabase db(db_options, directory.string(), *resources, OpenDatabase::Sealing::off);
    rocksdb::WriteBatch batch;
    check(batch.Put(db.family(kMetaFamily), slice(kCollectionKey), record), "fill a write batch");
    check(batch.Put(db.family(kMetaFamily), slice(kStateKey), slice(encode_state({}).view())), "fill a write batch");
    check(db->Write(rocksdb::WriteOptions(), &batch), "write to " + directory.string());
  }
  const Directory made(directory);
  for (const std::string& file : made.files())
    if (file.starts_with("OPTIONS-")) made.remove(file);
  made.sync_all();
}

std::shared_ptr<RocksStore> RocksStore::open(const std::filesystem::path& directory,
                                             const std::shared_ptr<StoreResources>& resources, Log log) {
  std::error_code ignored;
  if (!std::filesystem::exists(directory / "CURRENT", ignored))
    throw Error(std::filesystem::exists(directory, ignored) ? ErrorCode::data_loss : ErrorCode::not_found,
                directory.string() + " holds no RocksDB (no file CURRENT)");
  return std::shared_ptr<RocksStore>(new RocksStore(std::make_unique<Impl>(directory, resources, log == Log::new_and_synced)));
}

index::StoreState RocksStore::read_state(const std::filesystem::path& directory) {
  return open(directory, make_store_resources({.block_cache_bytes = 1 << 20, .write_buffer_bytes = 16 << 20}))->state();
}

void RocksStore::checkpoint(const std::filesystem::path& directory) const {
  const auto in_use = impl_->db.use();
  rocksdb::Checkpoint* made = nullptr;
  check(rocksdb::Checkpoint::Create(&*impl_->db, &made), "prepare a checkpoint of " + impl_->directory);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  check(checkpoint->CreateCheckpoint(directory.string()), "copy " + impl_->directory + " to " + directory.string());
}

void RocksStore::remove_when_closed() { impl_->remove_when_closed = true; }

const index::CollectionOptions& RocksStore::options() const { return impl_->record.options; }
std::string RocksStore::attributes() const {
  const std::lock_guard write_lock(impl_->write_mutex);
  return impl_->record.attributes;
}
index::StoreState RocksStore::state() const { return impl_->current(); }

void RocksStore::find(std::span<const index::PointId> ids, std::span<Slot> out) const {
  const auto in_use = impl_->db.use();
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
  const auto in_use = impl_->db.use();
  const auto bytes = impl_->db.get(kRowsFamily, encode_slot_key(slot).view(), "read a row header");
  if (!bytes) return std::nullopt;
  return decode_row_header(slot, *bytes);
}

bool RocksStore::read_vector(Slot slot, std::span<float> out) const {
  const auto in_use = impl_->db.use();
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
  const auto in_use = impl_->db.use();
  return impl_->db.get(kPayloadsFamily, encode_slot_key(slot).view(), "read a payload").value_or(std::string());
}

void RocksStore::for_each_header(Slot first, const std::function<bool(const index::RowHeader&)>& visit) const {
  const auto in_use = impl_->db.use();
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
  const auto in_use = impl_->db.use();
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
  const auto in_use = impl_->db.use();
  if (width == 0 || width > impl_->codec.dim())
    throw Error(ErrorCode::invalid_argument,
                "width " + std::to_string(width) + " is not in 1.." + std::to_string(impl_->codec.dim()));
  BandScan{*impl_->db, impl_->db.family(kBandsFamily), impl_->codec, first, last, width}.run(visit);
}

void RocksStore::for_each_dead(const std::function<void(Slot)>& visit) const {
  const auto in_use = impl_->db.use();
  const auto dead = impl_->db.scan(kDeadFamily);
  for (dead->SeekToFirst(); dead->Valid(); dead->Next()) visit(decode_slot_key(view(dead->key())));
  check(dead->status(), "scan dead slots");
}

std::vector<std::pair<index::PointId, Slot>> RocksStore::list(const std::optional<index::PointId>& first,
                                                              std::size_t limit) const {
  const auto in_use = impl_->db.use();
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
  const std::lock_guard write_lock(impl_->write_mutex);
  impl_->check_writable();
  check(impl_->db->Put(durable(), impl_->db.family(kMetaFamily), slice(kCertificatesKey), bytes),
        "write to " + impl_->directory);
}

std::vector<index::Certificate> RocksStore::read_certificates() const {
  const auto in_use = impl_->db.use();
  const auto bytes = impl_->db.get(kMetaFamily, kCertificatesKey, "read the certificates");
  if (!bytes) return {};
  return decode_certificates(*bytes);
}

void RocksStore::write_tuned_policy(const std::optional<index::TunedPolicy>& tuned) {
  const std::lock_guard write_lock(impl_->write_mutex);
  impl_->check_writable();
  const auto family = impl_->db.family(kMetaFamily);
  check(tuned ? impl_->db->Put(durable(), family, slice(kTunedPolicyKey), encode_tuned_policy(*tuned))
              : impl_->db->Delete(durable(), family, slice(kTunedPolicyKey)),
        "write to " + impl_->directory);
}

std::optional<index::TunedPolicy> RocksStore::read_tuned_policy() const {
  const auto in_use = impl_->db.use();
  const auto bytes = impl_->db.get(kMetaFamily, kTunedPolicyKey, "read the tuned policy");
  return bytes ? std::optional(decode_tuned_policy(*bytes)) : std::nullopt;
}

void RocksStore::write_graphs(const std::vector<std::uint32_t>& graphs, index::WalkCodes walk_codes) {
  index::CollectionOptions options = impl_->record.options;
  options.graphs = graphs;
  options.walk_codes = walk_codes;
  const std::lock_guard write_lock(impl_->write_mutex);
  const std::string record = encode_collection({options.validated(), impl_->record.attributes});
  impl_->check_writable();
  check(impl_->db->Put(durable(), impl_->db.family(kMetaFamily), slice(kCollectionKey), record),
        "write to " + impl_->directory);
}

void RocksStore::write_attributes(const std::string& attributes) {
  const std::lock_guard write_lock(impl_->write_mutex);
  impl_->check_writable();
  check(impl_->db->Put(durable(), impl_->db.family(kMetaFamily), slice(kCollectionKey),
                       encode_collection({impl_->record.options, attributes})),
        "write to " + impl_->directory);
  impl_->record.attributes = attributes;
}

}  // namespace nestor::storage
