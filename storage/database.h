#pragma once
// The embedded library's door: a directory of collections. One process at a time holds it.
//
//   <directory>/LOCK                              flock; marks the directory as Nestor's
//   <directory>/collections/<escaped name>/       one collection
//       rocks-<16 hex digits>/                    its rows (RocksDB)
//       generations[-<16 hex digits>]/            its graphs, rebuilt from the rows when missing or damaged
//       CURRENT                                   which of them are in force (collection_home.h)
//   <directory>/aliases                           other names of collections (alias_table.h)
//   <directory>/snapshots/                        backups made here (snapshot_folder.h)
//   <directory>/tmp/, <directory>/trash/          what is being made and being removed; emptied at opening

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/collection.h"
#include "index/error.h"
#include "index/options.h"
#include "storage/alias_table.h"
#include "storage/payload_index.h"
#include "storage/snapshot.h"

namespace nestor::storage {

using index::Collection;
using index::CollectionOptions;
using index::Error;
using index::ErrorCode;

struct DatabaseOptions {
  bool create_if_missing = true;
  // Build generations in the background when Collection::wants_build(). Off: only explicit build().
  bool background_builds = true;
  unsigned build_threads = 0;  // 0: all cores
  index::Residency residency = index::Residency::all_codes;
  // One line per event; default: none. Called from any thread, by one at a time. Must not call the Database.
  std::function<void(const std::string&)> log;
};

using BuildRule = std::function<bool(const Collection&, const std::string& attributes)>;

// A collection that could not be opened; the others are served.
struct DamagedCollection {
  std::string name;
  std::string reason;
};

// A collection for which there were not enough open files; whoever asks for it has it opened as soon as there are.
struct WaitingCollection {
  std::string name;
  std::string reason;
};

// Thread-safe. Opening recovers every collection on its own, and raises this process's soft limit of open files to the
// hard one, as each takes about ten. A Collection may outlive its Database: the directory
// stays locked until the last one is gone.
class Database {
 public:
  // Throws Error: failed_precondition when another process holds the directory (or it is not Nestor's),
  // permission_denied, not_found when it is missing and may not be created, invalid_argument when a file is in the way.
  static std::unique_ptr<Database> open(const std::filesystem::path& directory, DatabaseOptions options = {});
  // Ends a background build under way, see stop_builds().
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Ends a background build under way within about a second, and starts none any more: what it would have built is built
  // by the next process that opens the directory. Returns at once.
  void stop_builds();

  std::vector<std::string> collection_names() const;  // ascending
  std::vector<DamagedCollection> damaged() const;     // ascending by name
  std::vector<WaitingCollection> waiting() const;     // likewise
  // Served, that is: neither damaged nor waiting; by its own name or an alias.
  bool contains(const std::string& name) const;

  // name: 1..255 bytes, none of < > : " / \ | ? * and no control characters; UTF-8, and neither "." nor "..".
  // attributes: opaque JSON text kept with the collection for the doors. Durable on return.
  // Throws already_exists (also when the name belongs to a damaged one or is an alias), invalid_argument,
  // resource_exhausted when it could not be opened again beside the others under the limit of open files.
  std::shared_ptr<Collection> create_collection(const std::string& name, const CollectionOptions& options,
                                                const std::string& attributes = "{}");
  // Which widths of a collection get a graph from its next build on and what its walks compare; until then its searches
  // are exact. Nobody else may hold the collection meanwhile. Throws not_found, invalid_argument, failed_precondition
  // while it is held.
  void change_graphs(const std::string& name, const std::vector<std::uint32_t>& graphs,
                     index::WalkCodes walk_codes = index::WalkCodes::automatic);
  // `name` may be an alias. Throws not_found: "Collection `NAME` doesn't exist!"; data_loss with the reason for a
  // damaged one; unavailable while there are not enough open files for it.
  std::shared_ptr<Collection> collection(const std::string& name) const;
  std::string attributes(const std::string& name) const;
  // From the attributes there are to those that will be; durable on return, and no other change comes between. A throw
  // of it changes nothing. Throws as collection() does, unavailable while the disk takes no writes.
  void change_attributes(const std::string& name, const std::function<std::string(const std::string&)>& change);
  // Which collections may be built in the background, by their attributes; without a rule all. Must be quick and must
  // not call the Database.
  void use_build_rule(BuildRule rule);
  // The payload indexes of a collection, valid as long as the collection is. Throws as collection() does.
  std::shared_ptr<PayloadIndexes> payload_indexes(const std::string& name) const;
  // Who makes the terms of payload indexes, for the collections there are and those to come. Indexes that fell behind
  // are filled again before this returns.
  void use_payload_terms(const MakeTermExtractor& make);
  // False: it did not exist. Running searches finish on the old one, and the name is free at once. Also removes a
  // damaged one, and its aliases. An alias is no name here. Durable on return.
  bool delete_collection(const std::string& name);

  // All changes in order, or none; durable on return. Whoever opens by an alias sees the aliases before or after all of
  // them. Throws not_found (a collection to be named, an alias to be renamed), already_exists (a collection or, for a
  // rename, an alias has the name), invalid_argument (no name for a collection).
  void change_aliases(std::span<const AliasChange> changes);
  Aliases aliases() const;

  // Snapshots. `scope`: a collection, or nullopt for the whole database (every collection as of its own moment).
  // Searches and writes go on while one is made; what was acknowledged before the call is in it. One is made or
  // recovered at a time. Snapshots of a collection stay when it is deleted.
  // Throws not_found (no such collection), data_loss (it is damaged), resource_exhausted (disk full: nothing is left).
  SnapshotInfo create_snapshot(const SnapshotScope& scope);
  // By name, which is by age. Empty for an unknown collection.
  std::vector<SnapshotInfo> snapshots(const SnapshotScope& scope) const;
  bool delete_snapshot(const SnapshotScope& scope, const std::string& name);  // false: it did not exist
  // Where they lie, and where files that are on their way in may lie meanwhile: that one is emptied at every opening.
  std::filesystem::path snapshot_directory() const;
  std::filesystem::path scratch_directory() const;
  // The file, for downloads: open it and it stays readable whatever happens to its name. Throws not_found.
  std::filesystem::path snapshot_file(const SnapshotScope& scope, const std::string& name) const;

  // Puts what a snapshot holds in the place of collection `name`, which may exist, be damaged or not exist, and may
  // have had another name in the snapshot. The whole file is unpacked aside and checked before anything changes; a
  // crash leaves the collection before or after. Whoever holds the Collection of before reads on in it, but what he
  // writes is lost: ask for collection(name) again. Durable on return.
  // Throws already_exists (`name` is an alias: what lay behind it would not be seen), not_found (no such file; a snapshot
  // without the collection), data_loss (no snapshot, truncated or altered), failed_precondition (of a newer Nestor;
  // another sha256 than expected), resource_exhausted (no room).
  std::shared_ptr<Collection> recover_collection(const std::string& name, const std::filesystem::path& file,
                                                 const RecoverOptions& options = {});
  // The same for all collections in the file, whatever its scope, under the names they had; others stay as they are.
  // All are checked before the first changes. Returns the names. REQUIRES: options.source is not set.
  std::vector<std::string> recover_all(const std::filesystem::path& file, const RecoverOptions& options = {});

 private:
  Database();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::storage
