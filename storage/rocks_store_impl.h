#pragma once
// What a RocksStore is made of; rocks_store.cpp and rocks_store_indexes.cpp share it.

#include <atomic>
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

namespace nestor::storage {

using index::Error;
using index::ErrorCode;
using index::Slot;

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
  std::mutex sync_mutex;           // never held over I/O
  std::condition_variable sync_done;
  bool syncing = false;            // guarded by sync_mutex, as is the next
  index::Sequence synced = 0;      // operations up to here are durable
  std::jthread interval_syncs;     // only with SyncPolicy::interval
  std::string refusal;             // why nothing may be written; guarded by write_mutex

  Impl(const std::filesystem::path& where, const std::shared_ptr<StoreResources>& shared)
      : resources(shared),
        directory(where.string()),
        db(database_options(*shared), directory, *shared),
        record(decode_collection(db.get_required(kCollectionKey, directory))),
        codec(record.options),
        state(decode_state(db.get_required(kStateKey, directory))) {
    const auto bytes = db.get(kMetaFamily, kPayloadIndexesKey, "read the payload indexes");
    terms = std::make_shared<const TermState>(bytes ? decode_indexes(*bytes) : TermState{});
    // Opening wrote what it recovered into synced files.
    synced = state.sequence;
    if (record.options.sync == index::SyncPolicy::interval)
      interval_syncs = std::jthread([this](const std::stop_token& stop) { sync_now_and_then(stop); });
  }

  ~Impl() {
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
  void check_open_for_writes() const;  // REQUIRES write_mutex

  // ---- durability ----

  // Whoever comes while a sync is under way may not be covered by it, and waits for the next one, which is for all.
  void sync_log(index::Sequence sequence) {
    std::unique_lock lock(sync_mutex);
    while (synced < sequence) {
      if (syncing) {
        sync_done.wait(lock);
        continue;
      }
      syncing = true;
      lock.unlock();
      const index::Sequence covered = current().sequence;
      const rocksdb::Status status = db->SyncWAL();
      lock.lock();
      syncing = false;
      if (status.ok()) synced = std::max(synced, covered);
      sync_done.notify_all();
      check(status, "sync the log of " + directory + "; whether the last writes are durable is unknown");
    }
  }

  // What fails here fails again with the next write, where somebody hears of it.
  void sync_now_and_then(const std::stop_token& stop) {
    std::mutex sleep_mutex;
    std::condition_variable_any sleep;
    while (!stop.stop_requested()) {
      std::unique_lock lock(sleep_mutex);
      sleep.wait_for(lock, stop, kSyncInterval, [] { return false; });
      try {
        sync_log(current().sequence);
      } catch (const Error&) {
      }
    }
  }
};

}  // namespace nestor::storage
