#pragma once
// The generations of one collection: files in one directory, of which a small MANIFEST names the one in force.
// Bytes of a generation file: generation_format.h.
//
// MANIFEST, format version 1, is text of three lines:
//   nestor-manifest 1
//   <file name of the generation in force>
//   <XXH3-64 of the two lines above, 16 hex digits>
//
// A generation is a cache of what RocksDB holds, so whatever is wrong in here is reported and passed over.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "index/record_store.h"

namespace nestor::storage {

class Directory;
class MappedFile;

// Not thread-safe, except link_to(). Holds the directory open: it may be renamed or removed meanwhile.
class GenerationDirectory final : public index::GenerationStore {
 public:
  // Makes the directory when it is missing; its parent must exist. Throws Error.
  explicit GenerationDirectory(const std::filesystem::path& directory,
                               index::Residency residency = index::Residency::all_codes);
  ~GenerationDirectory() override;

  // Durable on return: file synced and renamed, then MANIFEST, then older files removed (a mapping of one of them
  // stays valid). Throws Error invalid_argument for section names (see plan_generation), resource_exhausted when the
  // disk is full; the generation before stays in force and nothing of the new one is left.
  void publish(index::Sequence sequence, const std::vector<index::Section>& sections) override;

  // The generation that MANIFEST names, else the newest whole one. Every checksum is verified first; see
  // verify_sections for the cost. Damage goes to on_damage, one line each, never into an exception.
  std::optional<index::LoadedSections> load_newest(const std::function<void(const std::string&)>& on_damage) override;

  // Where only the walk's codes are held in memory: what has been read of the generation loaded last leaves this
  // process, to be called when all that is held has been copied.
  void drop_read_pages() const;

  // Hard links (copies on another file system) of the generation in force and its manifest, in an empty directory.
  // Nothing when there is none. May run beside a publish. Throws Error.
  void link_to(const std::filesystem::path& target) const;

 private:
  index::LoadedSections load(const std::string& file);
  std::vector<std::string> candidates(const std::function<void(const std::string&)>& on_damage) const;
  void write_file(const std::string& file, index::Sequence sequence, const std::vector<index::Section>& sections) const;
  void remove_all_but(const std::string& file) const;

  std::unique_ptr<Directory> directory_;
  index::Residency residency_;  // of what is loaded
  std::weak_ptr<const MappedFile> loaded_;
};

}  // namespace nestor::storage
