#include "storage/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <cstdarg>
#include <memory>

#include "storage/file_limit.h"
#include "storage/store_env.h"

namespace nestor::storage {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;
constexpr std::size_t kKilobyte = std::size_t{1} << 10;

rocksdb::CompressionType text_compression() {
  const std::vector<rocksdb::CompressionType> built_in = rocksdb::GetSupportedCompressions();
  const bool has_lz4 = std::find(built_in.begin(), built_in.end(), rocksdb::kLZ4Compression) != built_in.end();
  return has_lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::ColumnFamilyOptions family(const StoreResources& resources, std::size_t block_bytes,
                                    rocksdb::CompressionType compression, bool bloom = false) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = resources.block_cache;
  table.block_size = block_bytes;
  table.format_version = 5;
  if (bloom) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));

  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = compression;
  options.level_compaction_dynamic_level_bytes = true;
  options.write_buffer_size = 32 * kMegabyte;
  options.arena_block_size = 8 * kKilobyte;  // an idle collection costs little
  return options;
}

// Keys that begin with a slot, or a band and a slot, arrive in ascending order: RocksDB remembers where the last key
// of each prefix went and inserts beside it.
void expect_ascending_keys(rocksdb::ColumnFamilyOptions& options) {
  options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
}

rocksdb::ColumnFamilyOptions bands_family(const StoreResources& resources) {
  // Vectors do not compress. Fewer, larger buffers and files: a flush holds every band, so each compaction of level 0
  // rewrites level 1, and larger steps mean fewer of them.
  rocksdb::ColumnFamilyOptions options = family(resources, 16 * kKilobyte, rocksdb::kNoCompression);
  options.write_buffer_size = 64 * kMegabyte;
  options.arena_block_size = 128 * kKilobyte;
  options.max_write_buffer_number = 4;
  options.max_bytes_for_level_base = 512 * kMegabyte;
  options.level0_file_num_compaction_trigger = 8;
  options.level0_slowdown_writes_trigger = 24;
  options.level0_stop_writes_trigger = 40;
  expect_ascending_keys(options);
  return options;
}

class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

std::shared_ptr<StoreResources> make_store_resources(const StoreMemory& memory) {
  auto resources = std::make_shared<StoreResources>();
  resources->block_cache = rocksdb::NewLRUCache(memory.block_cache_bytes);
  resources->write_buffers = std::make_shared<rocksdb::WriteBufferManager>(memory.write_buffer_bytes);
  resources->residency = memory.residency;
  // RocksDB keeps its sorted files open, so many that small limits are for the many and large ones for the large.
  resources->files_per_store = static_cast<int>(std::clamp<std::size_t>(file_use().limit / 16, 32, 256));
  return resources;
}

rocksdb::DBOptions database_options(const StoreResources& resources) {
  rocksdb::DBOptions options;
  options.env = store_env();
  // Logs and manifests take the room they need: RocksDB would reserve 74 MB for a collection of one point.
  options.allow_fallocate = false;
  options.write_buffer_manager = resources.write_buffers;
  // No resuming by itself after a failed write: RocksDB of Debian is built with assertions, and one of them ends the
  // process when a log that failed is touched again. RocksStore opens it anew instead.
  options.max_bgerror_resume_count = 0;
  // One writer at a time (RocksStore's mutex); inserting with a hint needs this off.
  options.allow_concurrent_memtable_write = false;
  options.max_open_files = resources.files_per_store;
  options.max_file_opening_threads = 2;
  options.max_background_jobs = 2;
  options.bytes_per_sync = kMegabyte;
  options.max_total_wal_size = 256 * kMegabyte;
  // A power cut may leave the last, never acknowledged batch in pieces: recover up to it. Logs that were closed are
  // listed with their lengths in RocksDB's manifest, so losing one of those is noticed.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.track_and_verify_wals_in_manifest = true;
  // No file LOG: RocksDB of Debian is built with assertions, and one of them ends the process when a full disk makes its
  // second line fail. What matters comes back as a Status.
  options.info_log = std::make_shared<NoLog>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.create_missing_column_families = true;  // stores of before payload indexes have no "terms"
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> column_families(const StoreResources& resources) {
  const rocksdb::CompressionType text = text_compression();
  rocksdb::ColumnFamilyOptions rows = family(resources, 16 * kKilobyte, text);
  expect_ascending_keys(rows);
  std::vector<rocksdb::ColumnFamilyDescriptor> families(kFamilies);
  families[kMetaFamily] = {rocksdb::kDefaultColumnFamilyName, family(resources, 4 * kKilobyte, text)};
  // Most writes first ask for ids that do not exist: the filter answers without reading.
  families[kIdsFamily] = {"ids", family(resources, 8 * kKilobyte, text, true)};
  families[kRowsFamily] = {"rows", rows};
  families[kBandsFamily] = {"bands", bands_family(resources)};
  families[kPayloadsFamily] = {"payloads", family(resources, 16 * kKilobyte, text)};
  families[kDeadFamily] = {"dead", family(resources, 8 * kKilobyte, text)};
  families[kTermsFamily] = {"terms", family(resources, 16 * kKilobyte, text)};
  return families;
}

}  // namespace nestor::storage
