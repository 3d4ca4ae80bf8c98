// How a RocksStore writes, syncs, and bears with a disk that does not take it.
#include <rocksdb/write_batch.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/file_io.h"
#include "storage/rocks_store_impl.h"
#include "storage/store_env.h"
#include "storage/write_batch_builder.h"

namespace nestor::storage {

void RocksStore::Impl::check_writable() {
  if (!refusal.empty())
    throw Error(ErrorCode::failed_precondition, directory + " takes no writes: " + refusal);
  if (health->trouble().ok()) settle_recovered();
  const rocksdb::Status trouble = health->trouble();
  if (trouble.ok()) return;
  constexpr std::chrono::milliseconds kRetryInterval{200};
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_retry) {
    next_retry = now + kRetryInterval;
    if (disk_takes_writes() && recover()) return;
  }
  throw Error(code_of(trouble), directory + " is read-only for now: " + trouble.ToString() +
                                    "; searches go on, and it takes writes again when the trouble is over");
}

// So that the database is not closed in vain: without space it could not be opened again.
bool RocksStore::Impl::disk_takes_writes() const {
  constexpr std::size_t kProbeBytes = 65536;
  const std::string probe = directory + "/write-probe";
  try {
    const std::vector<std::byte> bytes(kProbeBytes);
    const FileDescriptor file = open_file(probe, O_WRONLY | O_CREAT | O_TRUNC);
    write_at(file, bytes, 0, probe);
    sync_file(file, probe);
  } catch (const Error&) {
    ::unlink(probe.c_str());
    return false;
  }
  return ::unlink(probe.c_str()) == 0;
}

// RocksDB writes what it recovers from its log into synced files, so a log that could not be synced is no matter then.
bool RocksStore::Impl::recover() {
  std::unique_lock lock(sync_mutex);
  sync_done.wait(lock, [&] { return !syncing; });
  const index::StoreState before = current();
  if (!db.reopen().ok()) return false;
  const index::StoreState found = decode_state(db.get_required(kStateKey, directory));
  if (found.sequence != before.sequence) {
    refusal = "the disk has lost operations " + std::to_string(found.sequence + 1) + " to " +
              std::to_string(before.sequence) + ", which were not acknowledged but are shown; open the collection again";
    throw Error(ErrorCode::failed_precondition, directory + " takes no writes: " + refusal);
  }
  synced = found.sequence;
  health->clear();
  {
    const std::lock_guard settle_lock(settle_mutex);
    settled = true;  // opened anew, it has flushed what it recovered
  }
  return true;
}

void RocksStore::Impl::sync_log(index::Sequence sequence) {
  std::unique_lock lock(sync_mutex);
  while (synced < sequence) {
    if (syncing) {
      sync_done.wait(lock);
      continue;
    }
    syncing = true;
    lock.unlock();
    const index::Sequence covered = current().sequence;
    const rocksdb::Status status = sync_unless_troubled();
    lock.lock();
    syncing = false;
    if (status.ok()) synced = std::max(synced, covered);
    sync_done.notify_all();
    check(status, "sync the log of " + directory + "; whether the last writes are durable is unknown");
  }
}

// A log that once failed is not touched again: the kernel may have dropped what it could not write, and would say ok the
// next time.
rocksdb::Status RocksStore::Impl::sync_unless_troubled() {
  const rocksdb::Status trouble = health->trouble();
  if (!trouble.ok()) return trouble;
  const auto in_use = db.use();
  const rocksdb::Status status = db->SyncWAL();
  if (!status.ok()) health->note(status);
  return status;
}

void RocksStore::Impl::settle_recovered() {
  const std::lock_guard lock(settle_mutex);
  if (settled) return;
  const auto in_use = db.use();
  const rocksdb::Status status = db->Flush({}, {db.families().begin(), db.families().end()});
  if (!status.ok()) health->note(status);
  settled = status.ok();
}

void RocksStore::Impl::settle_in_background() {
  run_in_background([job = background] {
    const std::lock_guard lock(job->mutex);
    if (!job->store) return;
    try {
      job->store->settle_recovered();
    } catch (const Error&) {  // the next write meets the same, and says so
    }
  });
}

// What fails here fails again with the next write, where somebody hears of it.
void RocksStore::Impl::sync_now_and_then(const std::stop_token& stop) {
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

void RocksStore::refuse_writes(const std::string& reason) {
  const std::lock_guard write_lock(impl_->write_mutex);
  impl_->refusal = reason;
}

std::string RocksStore::write_trouble() const {
  const rocksdb::Status trouble = impl_->health->trouble();
  return trouble.ok() ? std::string() : trouble.ToString();
}

void RocksStore::write(const index::WriteOperation& operation) {
  const std::lock_guard write_lock(impl_->write_mutex);
  impl_->check_writable();
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
  const rocksdb::Status written = impl_->db->Write(rocksdb::WriteOptions(), &batch);
  if (!written.ok()) impl_->health->note(written);
  check(written, "write to " + impl_->directory);

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

}  // namespace nestor::storage
