#pragma once
// What a RocksStore is made of; rocks_store.cpp, rocks_store_writing.cpp and rocks_store_indexes.cpp share it.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "storage/rocks_database.h"
#include "storage/rocks_store.h"
#include "storage/term_index.h"
#include "storage/vector_codec.h"
#include "storage/write_health.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;
using index::Slot;

struct RocksStore::Impl {
  // Constant after construction.
  std::shared_ptr<StoreResources> resources;
  std::string directory;
  std::shared_ptr<WriteHealth> health = std::make_shared<WriteHealth>();
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
  std::mutex sync_mutex;           // never held over I/O
  std::condition_variable sync_done;
  bool syncing = false;            // guarded by sync_mutex, as is the next
  index::Sequence synced = 0;      // operations up to here are durable
  std::mutex settle_mutex;         // held over I/O
  bool settled = false;            // guarded by settle_mutex
  // What runs on a shared thread asks first whether this object is still there.
  struct Background {
    std::mutex mutex;
    Impl* store;  // guarded by mutex
  };
  std::shared_ptr<Background> background = std::make_shared<Background>();
  std::jthread interval_syncs;     // only with SyncPolicy::interval
  std::string refusal;             // why nothing may be written; guarded by write_mutex
  std::chrono::steady_clock::time_point next_retry{};  // guarded by write_mutex

  static rocksdb::DBOptions options_for(const StoreResources& resources, const std::shared_ptr<WriteHealth>& health) {
    rocksdb::DBOptions options = database_options(resources);
    options.listeners.push_back(health);
    options.avoid_flush_during_recovery = true;  // see settle_recovered()
    return options;
  }

  Impl(const std::filesystem::path& where, const std::shared_ptr<StoreResources>& shared, bool log_is_synced)
      : resources(shared),
        directory(where.string()),
        db(options_for(*shared, health), directory, *shared),
        record(decode_collection(db.get_required(kCollectionKey, directory))),
        codec(record.options),
        state(decode_state(db.get_required(kStateKey, directory))) {
    const auto bytes = db.get(kMetaFamily, kPayloadIndexesKey, "read the payload indexes");
    terms = std::make_shared<const TermState>(bytes ? decode_indexes(*bytes) : TermState{});
    synced = state.sequence;
    background->store = this;
    settled = log_is_synced || !db.has_unflushed();
    if (record.options.sync == index::SyncPolicy::interval)
      interval_syncs = std::jthread([this](const std::stop_token& stop) { sync_now_and_then(stop); });
    if (!settled) settle_in_background();
  }

  ~Impl() {
    {
      const std::lock_guard lock(background->mutex);
      background->store = nullptr;
    }
    if (!interval_syncs.joinable()) return;
    interval_syncs.request_stop();
    interval_syncs.join();
    db->SyncWAL().PermitUncheckedError();
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

  // ---- payload indexes: rocks_store_indexes.cpp ----

  // REQUIRES index_mutex and write_mutex. `cleared`: an index whose terms go, 0: none.
  void change_terms(TermState next, std::uint32_t cleared);
  // Terms of up to kRowsAtOnce rows from `first` on; the slot to go on from, kNoSlot at the end. REQUIRES write_mutex.
  Slot fill_some(const TermExtractor& extractor, Slot first);
  // Writes are let in between the steps: their rows get terms of their own. REQUIRES index_mutex.
  void fill(const PayloadIndex& target);

  // ---- writing: rocks_store_writing.cpp ----

  // Throws while the disk takes no writes; every kRetryInterval one caller finds out whether it does again.
  // REQUIRES write_mutex.
  void check_writable();
  // Whoever comes while a sync is under way may not be covered by it, and waits for the next one, which is for all.
  void sync_log(index::Sequence sequence);
  rocksdb::Status sync_unless_troubled();
  // Once, before anything else is written: what opening recovered from the log goes into synced files. What fails is
  // trouble of the store.
  void settle_recovered();
  void settle_in_background();
  bool disk_takes_writes() const;
  bool recover();  // opens the database anew. REQUIRES write_mutex
  void sync_now_and_then(const std::stop_token& stop);
};

}  // namespace nestor::storage
