#pragma once
// The first entry of a snapshot: what is in it, with a SHA-256 of every file.
//
// Format version 1 is text, one item a line:
//   nestor-snapshot 1
//   created <seconds since 1970, decimal>
//   collection <number from 0> <sequence> <points> <escaped name>     one line each; escape_name() of collection_name.h
//   file <SHA-256, 64 hex digits> <bytes> <path in the archive>       one line each
//   sha256 <SHA-256 of all lines above, line ends included>
//
// Paths are collections/<number>/rocks/<file> and collections/<number>/generations/<file>, nothing else.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/types.h"

namespace nestor::storage {

inline constexpr char kSnapshotManifest[] = "nestor-snapshot";

struct SnapshotFile {
  std::string path;
  std::uint64_t bytes = 0;
  std::string sha256;
};

struct SnapshotCollection {
  std::string name;
  index::Sequence sequence = 0;
  std::uint64_t points = 0;
};

struct SnapshotManifest {
  std::int64_t created = 0;  // seconds since 1970
  std::vector<SnapshotCollection> collections;
  std::vector<SnapshotFile> files;
};

std::string encode_snapshot_manifest(const SnapshotManifest& manifest);
// Throws Error data_loss on anything that encode does not write; failed_precondition on a newer version.
SnapshotManifest decode_snapshot_manifest(std::string_view text);

}  // namespace nestor::storage
