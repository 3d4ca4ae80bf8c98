#pragma once
// Whether a RocksDB takes writes, and why not.

#include <rocksdb/listener.h>

#include <mutex>

namespace nestor::storage {

// Thread-safe: RocksDB tells it from its own threads.
class WriteHealth final : public rocksdb::EventListener {
 public:
  // Ok: it takes writes.
  rocksdb::Status trouble() const {
    const std::lock_guard lock(mutex_);
    return trouble_;
  }
  void note(const rocksdb::Status& trouble) {
    const std::lock_guard lock(mutex_);
    if (trouble_.ok()) trouble_ = trouble;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    trouble_ = rocksdb::Status::OK();
  }

  // Of whatever severity: what RocksDB could bear for a while would end in writers that wait without an end.
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override { note(*error); }

 private:
  mutable std::mutex mutex_;
  rocksdb::Status trouble_;
};

}  // namespace nestor::storage
