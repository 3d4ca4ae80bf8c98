#pragma once
// What a Database is made of; database.cpp and database_snapshots.cpp share it.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/background_builder.h"
#include "storage/collection_home.h"
#include "storage/collection_name.h"
#include "storage/database.h"
#include "storage/directory_lock.h"
#include "storage/file_io.h"
#include "storage/file_limit.h"
#include "storage/rocks_store.h"
#include "storage/snapshot_manifest.h"

namespace nestor::storage {

namespace fs = std::filesystem;

// Where log lines go. Shared with collections, which may outlive the Database and must not call its user's function
// then.
class Logger {
 public:
  explicit Logger(std::function<void(const std::string&)> sink) : sink_(std::move(sink)) {}

  void operator()(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (sink_) sink_(line);
  }
  void silence() {
    const std::lock_guard lock(mutex_);
    sink_ = nullptr;
  }

 private:
  std::mutex mutex_;
  std::function<void(const std::string&)> sink_;  // guarded by mutex_
};

struct Served {
  std::shared_ptr<Collection> collection;
  std::string attributes;
  std::shared_ptr<CollectionHome> home;
};

// Something in tmp/, removed in the end unless it was renamed away.
class Draft {
 public:
  explicit Draft(const fs::path& tmp) : path_(tmp / random_digits()) {}
  ~Draft() { remove_tree(path_); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct Database::Impl {
  // Constant after construction.
  const std::shared_ptr<Logger> log;
  const FileBudget files;
  std::shared_ptr<DirectoryLock> lock;
  std::shared_ptr<StoreResources> resources;
  fs::path home, collections, tmp, trash, snapshots;

  std::mutex snapshot_mutex;  // one snapshot or recovery at a time; taken before change_mutex
  std::mutex change_mutex;    // one create, delete, replacement or change of aliases at a time, held over I/O
  mutable std::mutex mutex;   // guards the four maps and the rule; never held over I/O
  std::map<std::string, Served> served;
  std::map<std::string, std::string> damaged;
  std::map<std::string, std::string> waiting;  // whole as far as is known, but not open: why
  Aliases aliases;
  BuildRule may_build;                         // guarded by mutex; empty: all
  MakeTermExtractor make_terms;                // guarded by change_mutex
  std::unique_ptr<BackgroundBuilder> builder;  // goes first

  Impl(const fs::path& directory, DatabaseOptions options);
  ~Impl();

  // Without its aliases a database still serves; the damaged file stays until aliases change.
  void open_aliases();
  void open_all();
  Served open_one(const std::string& name, RocksStore::Log rows = RocksStore::Log::unknown);
  // From any thread: into one of the maps.
  void open_or_note(const std::string& name);
  void note_damage(const std::string& name, const std::string& why);
  // Throws resource_exhausted when no collection more could be opened, now or after the next start.
  void check_file_room() const;
  // Tries again to open one that waits. Throws unavailable while there is no room.
  void open_waiting(const std::string& name_or_alias);
  void start_builder(unsigned threads);

  const std::string& resolved(const std::string& name) const {  // REQUIRES mutex
    const auto found = aliases.find(name);
    return found == aliases.end() ? name : found->second;
  }

  const Served& find(const std::string& name_or_alias) const;  // REQUIRES mutex. Throws not_found, data_loss
  bool is_collection(const std::string& name) const {          // REQUIRES mutex
    return served.contains(name) || damaged.contains(name) || waiting.contains(name);
  }

  void apply(const AliasChange& change, Aliases& next) const;  // REQUIRES mutex
  void replace_aliases(Aliases next);                          // REQUIRES change_mutex

  void check_free(const std::string& name) const;
  void check_no_alias(const std::string& name) const;  // REQUIRES mutex
  // Built aside and renamed into place, so that a crash leaves a whole collection or none.
  void build_on_disk(const std::string& name, const CollectionOptions& collection_options,
                     const std::string& attributes);
  // Moves the collection's directory away for good; what remains is to remove it.
  fs::path bury(const std::string& name) const;

  std::shared_ptr<CollectionHome> home_of(const std::string& name) const {
    const std::lock_guard guard(mutex);
    return find(name).home;
  }

  // Exports collections one after the other and packs them. REQUIRES snapshot_mutex.
  SnapshotInfo pack(const std::vector<std::string>& names, const SnapshotScope& scope);
  // Unpacks and checks all of it, down to opening each collection once. REQUIRES snapshot_mutex.
  SnapshotManifest unpack(const fs::path& file, const RecoverOptions& options, const fs::path& into);
  // Before the work is done, and again when it is put in force: aliases may change in between.
  void check_recoverable(const std::string& name) const {
    const std::lock_guard guard(mutex);
    check_no_alias(name);
  }
  static fs::path unpacked(const fs::path& root, std::size_t number) {
    return root / "collections" / std::to_string(number);
  }
  // Puts an unpacked collection in the place of `name`.
  std::shared_ptr<Collection> replace(const std::string& name, const fs::path& unpacked_home);

  // One that cannot even be opened was not created.
  Served open_new(const std::string& name);
};

}  // namespace nestor::storage
