#pragma once
// The directory of one collection: which RocksDB and which generations in it are in force.
//
//   rocks-<16 hex digits>/          rows
//   generations[-<16 hex digits>]/  graphs over these rows' slots
//   CURRENT                         names the pair in force; absent while there was only ever one
//
// CURRENT, format version 1, is text of four lines (sealed_text.h):
//   nestor-collection 1
//   <name of the rocks directory>
//   <name of the generations directory>
//   <XXH3-64 of the lines above, 16 hex digits>
//
// Rows and generations are replaced together, by one rename of CURRENT: slots of one mean nothing in the other.
// A second rocks directory may appear only after CURRENT names the first, so a crash never leaves a choice.

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "storage/file_io.h"
#include "storage/generation.h"
#include "storage/rocks_store.h"

namespace nestor::storage {

// 16 hex digits.
std::string random_digits();

// Thread-safe. Held by shared_ptr: whoever compacts keeps it.
class CollectionHome : public PayloadIndexes, public std::enable_shared_from_this<CollectionHome> {
 public:
  using Log = std::function<void(const std::string&)>;

  // Fills an empty directory with an empty collection; durable on return.
  static void create(const std::filesystem::path& directory, const index::CollectionOptions& options,
                     const std::string& attributes, const std::shared_ptr<StoreResources>& resources);
  // Makes of an unpacked export (rocks/, generations/) the files of a collection's directory, without opening them.
  static void rename_export(const std::filesystem::path& directory);

  // Opens the pair in force. Throws Error, data_loss when it cannot tell.
  // rows: of a directory that create() has just made, RocksStore::Log::new_and_synced.
  CollectionHome(const std::filesystem::path& directory, std::shared_ptr<StoreResources> resources, const Log& log,
                 RocksStore::Log rows = RocksStore::Log::unknown);

  // Removes what a crash left beside the pair in force. Only while nobody can hold an older pair: at the start.
  void remove_leftovers() const;

  std::shared_ptr<RocksStore> records() const;
  std::shared_ptr<GenerationDirectory> generations() const;

  // A consistent copy as of one moment in target/rocks and target/generations (hard links where possible), while
  // searches and writes go on. `target` is an empty directory on the same file system. Returns the copy's state.
  index::StoreState export_to(const std::filesystem::path& target) const;

  // Of whatever rows are in force, and kept by compactions.
  void create_index(const std::string& field, const std::string& definition) override;
  bool drop_index(const std::string& field) override;
  std::vector<PayloadIndex> payload_indexes() const override { return records()->payload_indexes(); }
  std::shared_ptr<const TermReader> read_terms() const override;
  // Of whatever rows are in force, and kept by compactions. Durable on return.
  void change_attributes(const std::string& attributes);
  // See RocksStore.
  void use_payload_terms(const MakeTermExtractor& make);

  // An empty pair beside the one in force, for compaction. Throws Error, failed_precondition when retired.
  std::unique_ptr<index::StoreSuccessor> begin_successor();
  // From now on no successor begins or takes over: the collection is being deleted. false: as before.
  void retire(bool retired = true);

  // Moves the pair that rename_export() made in `directory` here and puts it in force, durably. What was in force is
  // removed when the last one who holds it lets go. This object is of no use afterwards: open a new one.
  void adopt(const std::filesystem::path& directory);

 private:
  class Successor;
  struct Names {
    std::string rocks, generations;
  };
  void take_over(const Successor& successor);
  void finish(const Successor& successor);
  MakeTermExtractor term_maker() const;
  template <typename Change>
  auto change_indexes(const Change& change);
  void check_not_retired() const;  // REQUIRES mutex_
  Names find_names(const Log& log) const;
  void put_in_force(const Names& names);

  std::filesystem::path path_;
  std::shared_ptr<StoreResources> resources_;
  Directory directory_;
  mutable std::mutex mutex_;  // held over exports and changes of what is in force
  Names names_;               // guarded by mutex_, as the next two
  std::shared_ptr<RocksStore> records_;
  std::shared_ptr<GenerationDirectory> generations_;
  MakeTermExtractor make_terms_;  // likewise; empty: nobody makes terms
  bool retired_ = false;
};

}  // namespace nestor::storage
