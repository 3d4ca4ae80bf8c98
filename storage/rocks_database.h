#pragma once
// One open RocksDB with its column families.

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "index/error.h"
#include "storage/manifest_seal.h"
#include "storage/record_codec.h"
#include "storage/rocks_error.h"
#include "storage/rocks_options.h"

namespace nestor::storage {

inline rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// A RocksDB with its column families; closes them in the right order.
class OpenDatabase {
 public:
  enum class Sealing { on, off };

  OpenDatabase(const rocksdb::DBOptions& options, const std::string& directory, const StoreResources& resources,
               Sealing sealing = Sealing::on)
      : sealer_(sealing == Sealing::on ? std::make_shared<ManifestSealer>(directory) : nullptr),
        options_(watched_by(sealer_, options)),
        directory_(directory),
        families_(column_families(resources)) {
    check(open(), "open " + directory_);
  }
  ~OpenDatabase() { close(); }
  OpenDatabase(const OpenDatabase&) = delete;
  OpenDatabase& operator=(const OpenDatabase&) = delete;

  // Keeps it from being opened anew. Throws Error unavailable when that has left it closed.
  std::shared_lock<std::shared_mutex> use() const {
    std::shared_lock lock(mutex_);
    if (!db_) throw index::Error(index::ErrorCode::unavailable, directory_ + " could not be opened again");
    return lock;
  }

  // Closes and opens it, when nobody uses it; what it recovers is written into synced files. What fails is then open for
  // reading only. REQUIRES that nobody writes.
  rocksdb::Status reopen() {
    const std::unique_lock lock(mutex_);
    if (db_) close();
    options_.avoid_flush_during_recovery = false;
    const rocksdb::Status status = open();
    if (!status.ok()) open_for_reading().PermitUncheckedError();
    return status;
  }

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
    if (!value)
      throw index::Error(index::ErrorCode::data_loss, directory + " has no record \"" + std::string(key) + "\"");
    return *std::move(value);
  }

  // Whether anything is in the log and in memory only.
  bool has_unflushed() const {
    std::uint64_t entries = 0;
    return !db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kNumEntriesActiveMemTable, &entries) || entries > 0;
  }

  std::unique_ptr<rocksdb::Iterator> scan(Family f, const rocksdb::Snapshot* snapshot = nullptr) const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    options.fill_cache = false;
    options.readahead_size = std::size_t{1} << 20;
    return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options, family(f)));
  }

 private:
  static rocksdb::DBOptions watched_by(std::shared_ptr<ManifestSealer> sealer, rocksdb::DBOptions options) {
    if (sealer) options.listeners.push_back(std::move(sealer));
    return options;
  }
  rocksdb::Status open() {
    try {
      verify_manifest_seal(directory_);
    } catch (const index::Error& error) {
      return error.code() == index::ErrorCode::data_loss ? rocksdb::Status::Corruption(error.what())
                                                         : rocksdb::Status::IOError(error.what());
    }
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options_, directory_, families_, &handles_, &db);
    if (!status.ok()) return status;
    db_.reset(db);
    if (sealer_) sealer_->seal_soon();  // opening has begun a new MANIFEST
    return status;
  }
  rocksdb::Status open_for_reading() {
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options_, directory_, families_, &handles_, &db);
    if (status.ok()) db_.reset(db);
    return status;
  }
  void close() {
    if (!db_) return;
    // Flushed on the way out, a large log need not be replayed at the next start. Nothing depends on it.
    constexpr std::uint64_t kWorthFlushing = std::uint64_t{16} << 20;
    std::uint64_t unflushed = 0;
    if (db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &unflushed) &&
        unflushed > kWorthFlushing)
      db_->Flush({}, handles_).PermitUncheckedError();
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    db_->Close().PermitUncheckedError();
    handles_.clear();
    db_.reset();
    if (sealer_) sealer_->wait();
  }

  const std::shared_ptr<ManifestSealer> sealer_;  // null: none
  rocksdb::DBOptions options_;
  const std::string directory_;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families_;
  mutable std::shared_mutex mutex_;  // over uses; exclusively, while it is opened anew
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::unique_ptr<rocksdb::DB> db_;
};

inline rocksdb::WriteOptions durable() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

}  // namespace nestor::storage
