#pragma once
// The snapshots kept in a data directory, each a file with its SHA-256 beside it (NAME.sha256, as sha256sum writes it).
//
//   snapshots/collections/<escaped name>/NAME.snapshot   of a collection; they outlive it
//   snapshots/full/NAME.snapshot                         of the whole database

#include <filesystem>
#include <string>
#include <vector>

#include "storage/snapshot.h"
#include "storage/snapshot_archive.h"

namespace nestor::storage {

// Not thread-safe for changes; files are complete from the moment they are listed.
class SnapshotFolder {
 public:
  // root: .../snapshots. Nothing is created before the first add().
  SnapshotFolder(const std::filesystem::path& root, const SnapshotScope& scope);

  std::vector<SnapshotInfo> list() const;  // by name, which is by age
  // Throws Error not_found; invalid_argument for a name with a path in it.
  std::filesystem::path find(const std::string& name) const;
  // Moves a finished archive in, named after the scope and the time. Durable on return.
  SnapshotInfo add(const std::filesystem::path& archive, const WrittenArchive& written, std::int64_t created) const;
  bool remove(const std::string& name) const;  // false: was not there

 private:
  SnapshotInfo info_of(const std::string& name) const;

  std::filesystem::path path_;
  std::string stem_;
};

}  // namespace nestor::storage
