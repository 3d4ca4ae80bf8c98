#pragma once
// One open RocksDB with its column families.

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "storage/record_codec.h"
#include "storage/rocks_error.h"
#include "storage/rocks_options.h"

namespace nestor::storage {

inline rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

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
    if (!value) throw index::Error(index::ErrorCode::data_loss, directory + " has no record \"" + std::string(key) + "\"");
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

inline rocksdb::WriteOptions durable() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

}  // namespace nestor::storage
