#pragma once
// How long RocksDB's MANIFEST was and what stood in it. RocksDB takes one that lacks its end for one that a crash cut
// short, opens with the files of before and deletes the newer ones: rows would be gone without a word. A file of ours
// beside it remembers what was durable when a flush or a compaction ended, and is asked before RocksDB opens.

#include <rocksdb/listener.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>

namespace nestor::storage {

inline constexpr const char* kManifestSealFile = "NESTOR-SEAL";

// Throws Error data_loss when the MANIFEST in force is older, shorter or other than the seal says, or when the seal
// itself is damaged. A directory without a seal passes: it was written before there were seals, or is a copy.
void verify_manifest_seal(const std::filesystem::path& directory);

// Syncs the MANIFEST in force and seals what it holds now; durable on return. Throws Error.
void seal_manifest(const std::filesystem::path& directory);

// Seals whenever RocksDB has written a flush or a compaction into its MANIFEST, and before it deletes what these made
// superfluous. A seal that cannot be written is left as it is: an older one still holds. Thread-safe.
class ManifestSealer final : public rocksdb::EventListener {
 public:
  explicit ManifestSealer(std::string directory) : directory_(std::move(directory)) {}
  ~ManifestSealer() override { wait(); }

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { seal(); }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override { seal(); }
  void seal();
  // In the background: the seal of a manifest that is older than the one in force says nothing against it.
  void seal_soon();
  void wait();  // for that to be done

 private:
  const std::string directory_;
  std::mutex mutex_;
  std::mutex waiting_mutex_;
  std::condition_variable done_;
  bool under_way_ = false;  // guarded by waiting_mutex_
};

}  // namespace nestor::storage
