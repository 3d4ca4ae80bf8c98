#pragma once
// The one place where a RocksDB status becomes an Error.

#include <string_view>

#include "index/error.h"

namespace rocksdb {
class Status;
}

namespace nestor::storage {

// Returns when the status is ok. Otherwise throws Error: no space -> resource_exhausted, permission or a read-only
// file system -> permission_denied, Corruption -> data_loss, Busy or a held lock -> failed_precondition, shutdown or
// time-out -> unavailable, anything else -> internal. `action` completes "cannot ...", e.g. "write to /data/x".
// A NotFound is an error here: callers that expect a miss look at the status first.
void check(const rocksdb::Status& status, std::string_view action);

// The code alone, of a status that is not ok.
index::ErrorCode code_of(const rocksdb::Status& status);

}  // namespace nestor::storage
