#pragma once
// How Nestor sets RocksDB. Internal to storage/: the RocksDB types are only named here, not included.

#include <memory>
#include <vector>

#include "storage/rocks_store.h"

namespace rocksdb {
class Cache;
class WriteBufferManager;
struct ColumnFamilyDescriptor;
struct DBOptions;
}  // namespace rocksdb

namespace nestor::storage {

struct StoreResources {
  std::shared_ptr<rocksdb::Cache> block_cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
  index::Residency residency = index::Residency::all_codes;
  int files_per_store = 256;  // sorted files that one RocksDB holds open
};

// Order of the handles that RocksDB returns for column_families().
enum Family { kMetaFamily, kIdsFamily, kRowsFamily, kBandsFamily, kPayloadsFamily, kDeadFamily, kTermsFamily, kFamilies };

rocksdb::DBOptions database_options(const StoreResources& resources);
std::vector<rocksdb::ColumnFamilyDescriptor> column_families(const StoreResources& resources);

}  // namespace nestor::storage
