#include "storage/rocks_store.h"

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "index/error.h"
#include "storage/band_scan.h"
#include "storage/certificate_codec.h"
#include "storage/file_io.h"
#include "storage/record_codec.h"
#include "storage/rocks_error.h"
#include "storage/rocks_options.h"
#include "storage/term_index.h"
#include "storage/vector_codec.h"
#include "storage/write_batch_builder.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;
using index::Slot;

namespace {

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// A RocksDB with its column families; closes them in the right order.
class OpenDatabase {
 public:
  OpenDatabase(const rocksdb::DBOptions& options, const std::string& directory, const StoreResources& resources) {
    rocksdb::DB* db = nullptr;
    check(rocksdb::DB::Open(options, directory, column_families(resources), &handles_, &db), "open " + directory);
    db_.reset(db);
  }
  ~OpenDatabase() {
    // Flushed on the way out, a large log need not be replayed at the next start. Nothing depends on it.
    constexpr std::uint64_t kWorthFlushing = std::uint64_t{16} << 20;
    std::uint64_t unflushed = 0;
    if (db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &unflushed) &&
        unflushed > kWorthFlushing)
      db_->Flush({}, handles_).PermitUncheckedError();
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    db_->Close().PermitUncheckedError();
  }
  OpenDatabase(const OpenDatabase&) = delete;
  OpenDatabase& operator=(const OpenDatabase&) = delete;

  rocksdb::DB& operator*() const { return *db_; }
  rocksdb::DB* operator->() const { return db_.get(); }
  rocksdb::ColumnFamilyHandle* family(Family f) const { return handles_[f]; }
  std::span<rocksdb::ColumnFamilyHandle* const> families() const { return handles_; }

  // nullopt: no such key.
  std::optional<std::string> get(Family f, std::string_view key, const char* action) const {
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), family(f), slice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    check(status, action);
    return value;
  }

  std::string get_required(std::string_view key, const std::string& directory) const {
    std::optional<std::string> value = get(kMetaFamily, key, "read the meta records");
    if (!value) throw Error(ErrorCode::data_loss, directory + " has no record \"" + std::string(key) + "\"");
    return *std::move(value);
  }

  std::unique_ptr<rocksdb::Iterator> scan(Family f, const rocksdb::Snapshot* snapshot = nullptr) const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    options.fill_cache = false;
    options.readahead_size = std::size_t{1} << 20;
    return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options, family(f)));
  }

 private:
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::unique_ptr<rocksdb::DB> db_;
};

rocksdb::WriteOptions durable() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

}  // namespace

struct RocksStore::Impl {
  // Constant after construction.
  std::shared_ptr<StoreResources> resources;
  std::string directory;
  OpenDatabase db;
  CollectionRecord record;
  VectorCodec codec;

  std::atomic<bool> remove_when_closed{false};
  std::mutex write_mutex;          // one writer at a time, held over the sync
  mutable std::mutex state_mutex;  // never held over I/O
  index::StoreState state;         // guarded by state_mutex, changed under write_mutex only
  std::shared_ptr<const TermState> terms;  // likewise
  std::mutex index_mutex;          // one change of the payload indexes at a time; taken before write_mutex
  MakeTermExtractor make_extractor;  // guarded by index_mutex

  Impl(const std::filesystem::path& where, const std::shared_ptr<StoreResources>& shared)
      : resources(shared),
        directory(where.string()),
        db(database_options(*shared), directory, *shared),
        record(decode_collection(db.get_required(kCollectionKey, directory))),
        codec(record.options),
        state(decode_state(db.get_required(kStateKey, directory))) {
    const auto bytes = db.get(kMetaFamily, kPayloadIndexesKey, "read the payload indexes");
    terms = std::make_shared<const TermState>(bytes ? decode_indexes(*bytes) : TermState{});
  }

  index::StoreState current() const {
    const std::lock_guard lock(state_mutex);
    return state;
  }

  std::shared_ptr<const TermState> current_terms() const {
    const std::lock_guard lock(state_mutex);
    return terms;
  }

  void put_terms_record(const TermState& next, rocksdb::WriteBatch& batch) const {
    check(batch.Put(db.family(kMetaFamily), slice(kPayloadIndexesKey), encode_indexes(next)), "fill a write batch");
  }

  void replace_terms(TermState next) {
    auto shared = std::make_shared<const TermState>(std::move(next));
    const std::lock_guard lock(state_mutex);
    terms = std::move(shared);
  }

  // REQUIRES index_mutex and write_mutex. `cleared`: an index whose terms go, 0: none.
  void change_terms(TermState next, std::uint32_t cleared) {
    next.extractor = next.indexes.empty() || !make_extractor ? nullptr : make_extractor(next.indexes);
    rocksdb::WriteBatch batch;
    if (cleared != 0) remove_all_terms(cleared, db.family(kTermsFamily), batch);
    put_terms_record(next, batch);
    check(db->Write(durable(), &batch), "write to " + directory);
    replace_terms(std::move(next));
  }

  // Terms of up to kRowsAtOnce rows from `first` on; the slot to go on from, kNoSlot at the end. REQUIRES write_mutex.
  Slot fill_some(const TermExtractor& extractor, Slot first) {
    constexpr std::size_t kRowsAtOnce = 4096;
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

  // Writes are let in between the steps: their rows get terms of their own. REQUIRES index_mutex.
  void fill(PayloadIndex target) {
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
};

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

void RocksStore::remove_when_closed() { impl_->remove_when_closed = true; }

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

std::unique_ptr<TermReader> RocksStore::read_terms() const {
  return storage::read_terms({*impl_->db, impl_->db.family(kMetaFamily), impl_->db.family(kTermsFamily)},
                             impl_->current_terms());
}

const index::CollectionOptions& RocksStore::options() const { return impl_->record.options; }
const std::string& RocksStore::attributes() const { return impl_->record.attributes; }
index::StoreState RocksStore::state() const { return impl_->current(); }

void RocksStore::write(const index::WriteOperation& operation) {
  const std::lock_guard write_lock(impl_->write_mutex);
  const index::StoreState before = impl_->current();
  if (operation.sequence <= before.sequence) return;

  const std::size_t bytes = estimated_batch_bytes(operation, impl_->codec);
  if (bytes > kMaxOperationBytes)
    throw Error(ErrorCode::resource_exhausted, "one write of " + std::to_string(bytes >> 20) + " MiB, the limit is " +
                                                   std::to_string(kMaxOperationBytes >> 20) +
                                                   " MiB: write fewer points at a time");
  rocksdb::WriteBatch batch(bytes);
  const auto terms = impl_->current_terms();
  const BatchContext context{impl_->db.families(),
                             impl_->codec,
                             before,
                             [this](Slot slot) { return header(slot); },
                             [this](Slot slot) { return read_payload(slot); },
                             terms->extractor.get()};
  const index::StoreState after = append_operation(operation, context, batch);
  // Without somebody to make terms the indexes fall behind, and say so in the same batch.
  std::optional<TermState> behind;
  if (!terms->extractor && std::any_of(terms->indexes.begin(), terms->indexes.end(),
                                       [](const PayloadIndex& each) { return each.complete; })) {
    behind = *terms;
    for (PayloadIndex& each : behind->indexes) each.complete = false;
    impl_->put_terms_record(*behind, batch);
  }
  check(impl_->db->Write(durable(), &batch), "write to " + impl_->directory);

  if (behind) impl_->replace_terms(*std::move(behind));
  const std::lock_guard state_lock(impl_->state_mutex);
  impl_->state = after;
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
