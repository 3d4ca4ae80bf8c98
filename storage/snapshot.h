#pragma once
// What users see of a snapshot, a collection or a whole database as one file. Its bytes: snapshot_archive.h.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace nestor::storage {

struct SnapshotInfo {
  std::string name;  // of the file, <collection>-<UTC time>.snapshot
  std::uint64_t bytes = 0;
  std::string sha256;  // of the file, 64 hex digits; empty where it was put there by hand without one
  std::chrono::system_clock::time_point created;
};

// A collection's name, or nullopt: the whole database.
using SnapshotScope = std::optional<std::string>;

struct RecoverOptions {
  std::optional<std::string> sha256;  // of the file, if the caller knows it: checked first
  // Which of the snapshot's collections. Not set: the only one, or else that of the name it is recovered as.
  std::optional<std::string> source = {};
};

}  // namespace nestor::storage
