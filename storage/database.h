#pragma once
// The embedded library's door: a directory of collections. One process at a time holds it.
//
//   <directory>/LOCK                              flock; marks the directory as Nestor's
//   <directory>/collections/<escaped name>/       one collection
//       rocks-<16 hex digits>/                    its rows (RocksDB)
//       generations/                              its graphs, rebuilt from the rows when missing or damaged
//   <directory>/tmp/, <directory>/trash/          collections being made and being removed; emptied at opening

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "index/collection.h"
#include "index/error.h"
#include "index/options.h"

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
  // One line per event; default: none. Called from any thread, by one at a time. Must not call the Database.
  std::function<void(const std::string&)> log;
};

// A collection that could not be opened; the others are served.
struct DamagedCollection {
  std::string name;
  std::string reason;
};

// Thread-safe. Opening recovers every collection on its own. A Collection may outlive its Database: the directory
// stays locked until the last one is gone.
class Database {
 public:
  // Throws Error: failed_precondition when another process holds the directory (or it is not Nestor's),
  // permission_denied, not_found when it is missing and may not be created, invalid_argument when a file is in the way.
  static std::unique_ptr<Database> open(const std::filesystem::path& directory, DatabaseOptions options = {});
  // Waits for a background build under way.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  std::vector<std::string> collection_names() const;  // ascending
  std::vector<DamagedCollection> damaged() const;     // ascending by name
  bool contains(const std::string& name) const;       // served, that is: not damaged

  // name: 1..255 bytes, none of < > : " / \ | ? * and no control characters.
  // attributes: opaque JSON text kept with the collection for the doors. Durable on return.
  // Throws already_exists (also when the name belongs to a damaged one), invalid_argument.
  std::shared_ptr<Collection> create_collection(const std::string& name, const CollectionOptions& options,
                                                const std::string& attributes = "{}");
  // Throws not_found: "Collection `NAME` doesn't exist!"; data_loss with the reason for a damaged one.
  std::shared_ptr<Collection> collection(const std::string& name) const;
  std::string attributes(const std::string& name) const;
  // False: it did not exist. Running searches finish on the old one, and the name is free at once. Also removes a
  // damaged one. Durable on return.
  bool delete_collection(const std::string& name);

 private:
  Database();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::storage
