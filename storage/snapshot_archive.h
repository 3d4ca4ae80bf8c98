#pragma once
// A snapshot as one file: an uncompressed tar (POSIX pax) whose first entry is the manifest (snapshot_manifest.h) and
// whose other entries are the files it lists, in its order. `tar tf` and `tar xf` read it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/snapshot_manifest.h"

namespace nestor::storage {

// Where an entry's bytes come from. The file must not change while it is written into the archive.
struct ArchiveSource {
  std::string path;  // in the archive
  std::filesystem::path file;
};

struct WrittenArchive {
  std::uint64_t bytes = 0;
  std::string sha256;  // of the whole archive
};

// Writes a new archive, durable on return. `manifest` comes without files. Reads every source twice (checksum, then
// copy). Throws Error; the caller removes what is left of the target then.
WrittenArchive write_snapshot(const std::filesystem::path& target, SnapshotManifest manifest,
                              const std::vector<ArchiveSource>& sources);

// Unpacks the archive below the empty directory `into`, durable on return, and checks each file's length and SHA-256
// on the way: either all that the manifest lists is there as it was, and nothing else, or Error data_loss is thrown.
// Throws resource_exhausted before writing anything when the disk has no room for it. What a failure leaves in `into`
// is the caller's to remove.
SnapshotManifest unpack_snapshot(const std::filesystem::path& archive, const std::filesystem::path& into);

}  // namespace nestor::storage
