#pragma once
// A disk that misbehaves on purpose, below everything: this test program's own write, fsync, rename and their like stand
// in for libc's, for RocksDB's calls as well as ours. Nothing happens before one of these is called.

#include <cstdint>
#include <filesystem>
#include <string>

namespace nestor::tests {

// Operations that change what is below `directory`, counted from now on: the n-th (from 1) and, when `sticky`, all later
// ones fail with `error` and do nothing. n = 0: only count.
void fail_disk(const std::filesystem::path& directory, std::uint64_t n, int error, bool sticky);
// No more faults. Returns how many operations were counted.
std::uint64_t heal_disk();

// SIGKILLs this process at the n-th rename to a file of this name, before it happens or right after it.
struct KillPoint {
  std::string renamed_to;  // the name as the caller gives it; with a leading dot, its end
  bool before = true;
  std::uint64_t occurrence = 1;
};
void kill_at(const KillPoint& point);

// From now on remembers in `journal` (empty: no more) how much of each file was synced, also after this process was killed.
// A file whose sync failed stays at what was synced before, whatever later syncs say.
void record_syncs(const std::filesystem::path& journal);
// A power cut, after the fact: every file below `directory` loses what `journal` does not know as synced. Directory
// entries are kept.
void lose_unsynced(const std::filesystem::path& directory, const std::filesystem::path& journal);

}  // namespace nestor::tests
