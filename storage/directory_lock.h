#pragma once
// One process at a time holds a data directory: flock on its file LOCK, which also marks the directory as Nestor's.
//
// LOCK is text: "nestor data directory 1\n", then "process <pid>\n" of who locked it last. The lock goes with the
// process, also when that is killed; the file stays.

#include <filesystem>

#include "storage/file_io.h"

namespace nestor::storage {

class DirectoryLock {
 public:
  // Makes the directory with its parents when `create`. Throws Error: not_found (missing, or never a data
  // directory, and not to be made),
  // failed_precondition (held by another process; or a directory with entries like ours that Nestor did not make, or
  // made by a newer one), permission_denied, invalid_argument (a file is in the way).
  DirectoryLock(const std::filesystem::path& directory, bool create);

  const Directory& directory() const { return directory_; }

 private:
  void take();

  Directory directory_;
  FileDescriptor lock_;
};

}  // namespace nestor::storage
