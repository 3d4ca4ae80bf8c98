#include "storage/rocks_error.h"

#include <rocksdb/status.h>

#include <string>

#include "index/error.h"

namespace nestor::storage {
namespace {

using index::ErrorCode;

// RocksDB keeps errno only as text for most of its I/O errors.
ErrorCode code_of_io_error(const rocksdb::Status& status) {
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kMemoryLimit) return ErrorCode::resource_exhausted;
  const std::string text = status.ToString();
  const auto says = [&](const char* words) { return text.find(words) != std::string::npos; };
  if (says("No space left") || says("Disk quota") || says("Too many open files") || says("File too large"))
    return ErrorCode::resource_exhausted;
  if (says("Permission denied") || says("Operation not permitted") || says("Read-only file system"))
    return ErrorCode::permission_denied;
  if (says("While lock file") || says("lock hold by")) return ErrorCode::failed_precondition;
  return ErrorCode::internal;
}

}  // namespace

ErrorCode code_of(const rocksdb::Status& status) {
  switch (status.code()) {
    case rocksdb::Status::kNotFound:
    case rocksdb::Status::kCorruption: return ErrorCode::data_loss;
    case rocksdb::Status::kIOError: return code_of_io_error(status);
    case rocksdb::Status::kMemoryLimit: return ErrorCode::resource_exhausted;
    case rocksdb::Status::kBusy:
    case rocksdb::Status::kTryAgain: return ErrorCode::failed_precondition;
    case rocksdb::Status::kShutdownInProgress:
    case rocksdb::Status::kTimedOut:
    case rocksdb::Status::kAborted: return ErrorCode::unavailable;
    default: return ErrorCode::internal;
  }
}

void check(const rocksdb::Status& status, std::string_view action) {
  if (status.ok()) return;
  throw index::Error(code_of(status), "cannot " + std::string(action) + ": " + status.ToString());
}

}  // namespace nestor::storage
