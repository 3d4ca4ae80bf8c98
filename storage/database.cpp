#include "storage/database.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "storage/background_builder.h"
#include "storage/collection_home.h"
#include "storage/collection_name.h"
#include "storage/directory_lock.h"
#include "storage/file_io.h"
#include "storage/rocks_store.h"
#include "storage/sha256.h"
#include "storage/snapshot_archive.h"
#include "storage/snapshot_folder.h"

namespace nestor::storage {

namespace fs = std::filesystem;

namespace {

void empty_directory(const fs::path& path) {
  for (const std::string& entry : Directory(path).files()) remove_tree(path / entry);
}

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

// Of an exported collection: what belongs into an archive. RocksDB's lock and its log for humans do not.
void list_export(const fs::path& home, const std::string& prefix, std::vector<ArchiveSource>& sources) {
  for (const char* folder : {"rocks", "generations"}) {
    std::vector<std::string> files = Directory(home / folder).files();
    std::sort(files.begin(), files.end());
    for (const std::string& file : files)
      if (file != "LOCK" && !file.starts_with("LOG"))
        sources.push_back({prefix + folder + "/" + file, home / folder / file});
  }
}

}  // namespace

struct Database::Impl {
  // Constant after construction.
  const std::shared_ptr<Logger> log;
  std::shared_ptr<DirectoryLock> lock;
  std::shared_ptr<StoreResources> resources;
  fs::path home, collections, tmp, trash, snapshots;

  std::mutex snapshot_mutex;  // one snapshot or recovery at a time; taken before change_mutex
  std::mutex change_mutex;    // one create, delete, replacement or change of aliases at a time, held over I/O
  mutable std::mutex mutex;   // guards the three maps; never held over I/O
  std::map<std::string, Served> served;
  std::map<std::string, std::string> damaged;
  Aliases aliases;
  MakeTermExtractor make_terms;  // guarded by change_mutex
  std::unique_ptr<BackgroundBuilder> builder;  // goes first

  Impl(const fs::path& directory, DatabaseOptions options)
      : log(std::make_shared<Logger>(std::move(options.log))),
        lock(std::make_shared<DirectoryLock>(directory, options.create_if_missing)),
        resources(make_store_resources({.residency = options.residency})) {
    // Absolute, so that a program that changes its working directory does not lose its files.
    home = fs::absolute(directory);
    for (const auto& [member, name] : {std::pair{&collections, "collections"}, {&tmp, "tmp"}, {&trash, "trash"}}) {
      *member = home / name;
      std::error_code error;
      fs::create_directory(*member, error);
      if (error) throw_errno(error.value(), "create the directory " + member->string());
    }
    snapshots = home / "snapshots";
    empty_directory(tmp);
    empty_directory(trash);
    sync_directory(home);
    open_aliases();
    open_all();
    if (options.background_builds) start_builder(options.build_threads);
  }
  ~Impl() {
    builder.reset();
    log->silence();
  }

  // Without its aliases a database still serves; the damaged file stays until aliases change.
  void open_aliases() {
    try {
      aliases = load_aliases(home);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::data_loss) throw;
      (*log)(std::string(error.what()) + "; collections are known by their own names only");
    }
  }

  void open_all() {
    for (const std::string& entry : Directory(collections).files()) {
      const std::string name = unescape_name(entry);
      if (escape_name(name) != entry) {
        (*log)("ignored " + (collections / entry).string() + ": no directory name that Nestor writes");
        continue;
      }
      try {
        served.emplace(name, open_one(name)).first->second.home->remove_leftovers();
      } catch (const std::exception& error) {
        damaged.emplace(name, error.what());
        (*log)("collection " + name + " is damaged and not served: " + error.what());
      }
    }
  }

  Served open_one(const std::string& name) {
    const auto log_line = [sink = log](const std::string& line) { (*sink)(line); };
    const auto place = std::make_shared<CollectionHome>(collections / escape_name(name), resources, log_line);
    const std::shared_ptr<RocksStore> records = place->records();
    if (make_terms) place->use_payload_terms(make_terms);
    // The handle keeps the directory's lock, as users may hold it longer than the Database.
    std::shared_ptr<Collection> collection(new Collection(name, records->options(), records, place->generations(),
                                                          log_line, [place] { return place->begin_successor(); }),
                                           // A deleter lives as long as the last weak_ptr; the lock must not.
                                           [keep = lock](Collection* owned) mutable {
                                             delete owned;
                                             keep.reset();
                                           });
    return {std::move(collection), records->attributes(), place};
  }

  void start_builder(unsigned threads) {
    const auto list = [this] {
      BackgroundBuilder::Collections all;
      const std::lock_guard guard(mutex);
      for (const auto& [name, entry] : served) all.push_back(entry.collection);
      return all;
    };
    builder = std::make_unique<BackgroundBuilder>(
        list, BackgroundBuilder::Options{.threads = threads, .log = [this](const std::string& line) { (*log)(line); }});
  }

  const std::string& resolved(const std::string& name) const {  // REQUIRES mutex
    const auto found = aliases.find(name);
    return found == aliases.end() ? name : found->second;
  }

  const Served& find(const std::string& name_or_alias) const {  // REQUIRES mutex
    const std::string& name = resolved(name_or_alias);
    if (const auto found = served.find(name); found != served.end()) return found->second;
    if (const auto found = damaged.find(name); found != damaged.end())
      throw Error(ErrorCode::data_loss, "Collection `" + name + "` is damaged: " + found->second);
    throw Error(ErrorCode::not_found, "Collection `" + name + "` doesn't exist!");
  }

  bool is_collection(const std::string& name) const {  // REQUIRES mutex
    return served.contains(name) || damaged.contains(name);
  }

  void apply(const AliasChange& change, Aliases& next) const {  // REQUIRES mutex
    const bool rename = change.kind == AliasChange::Kind::rename;
    if (change.kind == AliasChange::Kind::remove) {
      next.erase(change.alias);
      return;
    }
    const std::string& name = rename ? change.target : change.alias;
    check_collection_name(name);
    if (is_collection(name) || (rename && next.contains(name)))
      throw Error(ErrorCode::already_exists, std::string(is_collection(name) ? "Collection" : "Alias") +
                                                 " with name `" + name + "` already exists, it cannot be an alias");
    if (!rename) {
      if (!is_collection(change.target))
        throw Error(ErrorCode::not_found, "Collection `" + change.target + "` doesn't exist!");
      next[name] = change.target;
      return;
    }
    auto old = next.extract(change.alias);
    if (!old) throw Error(ErrorCode::not_found, "Alias `" + change.alias + "` doesn't exist!");
    old.key() = name;
    next.insert(std::move(old));
  }

  void replace_aliases(Aliases next) {  // REQUIRES change_mutex
    save_aliases(home, next);
    const std::lock_guard guard(mutex);
    aliases.swap(next);
  }

  void check_free(const std::string& name) const {
    const std::lock_guard guard(mutex);
    if (aliases.contains(name))
      throw Error(ErrorCode::already_exists, "Alias `" + name + "` already exists, a collection needs another name");
    if (served.contains(name)) throw Error(ErrorCode::already_exists, "Collection `" + name + "` already exists!");
    if (const auto found = damaged.find(name); found != damaged.end())
      throw Error(ErrorCode::already_exists,
                  "Collection `" + name + "` already exists, but is damaged: " + found->second);
  }

  // Built aside and renamed into place, so that a crash leaves a whole collection or none.
  void build_on_disk(const std::string& name, const CollectionOptions& collection_options,
                     const std::string& attributes) {
    const Draft draft(tmp);
    make_directory(draft.path());
    CollectionHome::create(draft.path(), collection_options, attributes, resources);
    rename_durably(draft.path(), collections / escape_name(name));
  }

  // Moves the collection's directory away for good; what remains is to remove it.
  fs::path bury(const std::string& name) const {
    fs::path grave = trash / random_digits();
    rename_durably(collections / escape_name(name), grave);
    return grave;
  }

  std::shared_ptr<CollectionHome> home_of(const std::string& name) const {
    const std::lock_guard guard(mutex);
    return find(name).home;
  }

  // Exports collections one after the other and packs them. REQUIRES snapshot_mutex.
  SnapshotInfo pack(const std::vector<std::string>& names, const SnapshotScope& scope) {
    const Draft exports(tmp), archive(tmp);
    make_directory(exports.path());
    SnapshotManifest manifest;
    manifest.created = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::vector<ArchiveSource> sources;
    for (const std::string& name : names) {
      const std::string number = std::to_string(manifest.collections.size());
      const fs::path target = exports.path() / number;
      make_directory(target);
      const index::StoreState state = home_of(name)->export_to(target);
      manifest.collections.push_back({name, state.sequence, state.points});
      list_export(target, "collections/" + number + "/", sources);
    }
    const WrittenArchive written = write_snapshot(archive.path(), std::move(manifest), sources);
    return SnapshotFolder(snapshots, scope).add(archive.path(), written, manifest.created);
  }

  // Unpacks and checks all of it, down to opening each collection once. REQUIRES snapshot_mutex.
  SnapshotManifest unpack(const fs::path& file, const RecoverOptions& options, const fs::path& into) {
    if (options.sha256 && sha256_of_file(file) != *options.sha256)
      throw Error(ErrorCode::failed_precondition,
                  "the snapshot " + file.string() + " does not have the SHA-256 " + *options.sha256);
    make_directory(into);
    SnapshotManifest manifest = unpack_snapshot(file, into);
    for (std::size_t i = 0; i < manifest.collections.size(); ++i) {
      const fs::path target = unpacked(into, i);
      const index::StoreState state = RocksStore::read_state(target / "rocks");
      if (state.sequence != manifest.collections[i].sequence || state.points != manifest.collections[i].points)
        throw Error(ErrorCode::data_loss, "the snapshot " + file.string() + " holds other rows than its manifest says");
      CollectionHome::rename_export(target);
    }
    return manifest;
  }
  static fs::path unpacked(const fs::path& root, std::size_t number) {
    return root / "collections" / std::to_string(number);
  }

  // Puts an unpacked collection in the place of `name`.
  std::shared_ptr<Collection> replace(const std::string& name, const fs::path& unpacked_home) {
    const std::lock_guard change(change_mutex);
    std::shared_ptr<CollectionHome> before;
    bool was_damaged = false;
    {
      const std::lock_guard guard(mutex);
      if (const auto found = served.find(name); found != served.end()) before = found->second.home;
      was_damaged = damaged.contains(name);
    }
    if (before) {
      before->adopt(unpacked_home);
    } else {
      const Draft grave(trash);
      if (was_damaged) rename_durably(collections / escape_name(name), grave.path());
      rename_durably(unpacked_home, collections / escape_name(name));
    }
    Served next = open_one(name);
    Served last;  // closes after the lock is released, unless someone still searches
    const std::lock_guard guard(mutex);
    damaged.erase(name);
    last = std::exchange(served[name], std::move(next));
    return served[name].collection;
  }

  // One that cannot even be opened was not created.
  Served open_new(const std::string& name) {
    try {
      return open_one(name);
    } catch (...) {
      remove_tree(bury(name));
      throw;
    }
  }
};

Database::Database() = default;
Database::~Database() = default;

std::unique_ptr<Database> Database::open(const fs::path& directory, DatabaseOptions options) {
  std::unique_ptr<Database> database(new Database());
  database->impl_ = std::make_unique<Impl>(directory, std::move(options));
  return database;
}

std::vector<std::string> Database::collection_names() const {
  const std::lock_guard guard(impl_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, entry] : impl_->served) names.push_back(name);
  return names;
}

std::vector<DamagedCollection> Database::damaged() const {
  const std::lock_guard guard(impl_->mutex);
  std::vector<DamagedCollection> list;
  for (const auto& [name, reason] : impl_->damaged) list.push_back({name, reason});
  return list;
}

bool Database::contains(const std::string& name) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->served.contains(impl_->resolved(name));
}

std::shared_ptr<Collection> Database::create_collection(const std::string& name, const CollectionOptions& options,
                                                        const std::string& attributes) {
  check_collection_name(name);
  const CollectionOptions validated = options.validated();
  const std::lock_guard change(impl_->change_mutex);
  impl_->check_free(name);
  impl_->build_on_disk(name, validated, attributes);
  Served entry = impl_->open_new(name);
  const std::lock_guard guard(impl_->mutex);
  return impl_->served.emplace(name, std::move(entry)).first->second.collection;
}

void Database::change_graphs(const std::string& name, const std::vector<std::uint32_t>& graphs) {
  const std::lock_guard change(impl_->change_mutex);
  std::string own;
  Served entry;
  {
    const std::lock_guard guard(impl_->mutex);
    CollectionOptions options = impl_->find(name).collection->options();
    options.graphs = graphs;
    options.validated();
    own = impl_->resolved(name);
    Served& served = impl_->served.at(own);
    if (served.collection.use_count() > 1)
      throw Error(ErrorCode::failed_precondition, "Collection `" + own + "` is in use");
    entry = std::move(served);
    impl_->served.erase(own);
  }
  try {
    entry.home->records()->write_graphs(graphs);
    entry = {};  // closes its files
    entry = impl_->open_one(own);
  } catch (const std::exception& error) {
    const std::lock_guard guard(impl_->mutex);
    if (entry.collection)
      impl_->served.emplace(own, std::move(entry));
    else
      impl_->damaged.emplace(own, error.what());
    throw;
  }
  const std::lock_guard guard(impl_->mutex);
  impl_->served.emplace(own, std::move(entry));
}

std::shared_ptr<Collection> Database::collection(const std::string& name) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->find(name).collection;
}

std::string Database::attributes(const std::string& name) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->find(name).attributes;
}

std::shared_ptr<PayloadIndexes> Database::payload_indexes(const std::string& name) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->find(name).home;
}

void Database::use_payload_terms(const MakeTermExtractor& make) {
  const std::lock_guard change(impl_->change_mutex);
  impl_->make_terms = make;
  std::vector<std::shared_ptr<CollectionHome>> homes;
  {
    const std::lock_guard guard(impl_->mutex);
    for (const auto& [name, entry] : impl_->served) homes.push_back(entry.home);
  }
  for (const auto& home : homes) home->use_payload_terms(make);
}

bool Database::delete_collection(const std::string& name) {
  const std::lock_guard change(impl_->change_mutex);
  std::shared_ptr<CollectionHome> home;
  {
    const std::lock_guard guard(impl_->mutex);
    const auto found = impl_->served.find(name);
    if (found == impl_->served.end() && !impl_->damaged.contains(name)) return false;
    if (found != impl_->served.end()) home = found->second.home;
  }
  // The aliases first: after a crash in between, a collection without them is better than aliases of a later one.
  Aliases left = impl_->aliases;
  if (std::erase_if(left, [&](const auto& alias) { return alias.second == name; }) > 0)
    impl_->replace_aliases(std::move(left));
  if (home) home->retire();
  fs::path grave;
  try {
    grave = impl_->bury(name);
  } catch (...) {
    if (home) home->retire(false);
    throw;
  }
  Served last;  // its files close after the lock is released, unless someone still searches
  {
    const std::lock_guard guard(impl_->mutex);
    if (const auto found = impl_->served.find(name); found != impl_->served.end()) {
      last = std::move(found->second);
      impl_->served.erase(found);
    }
    impl_->damaged.erase(name);
  }
  last = {};
  home.reset();
  remove_tree(grave);
  return true;
}

void Database::change_aliases(std::span<const AliasChange> changes) {
  const std::lock_guard change(impl_->change_mutex);
  Aliases next = aliases();
  {
    const std::lock_guard guard(impl_->mutex);
    for (const AliasChange& step : changes) impl_->apply(step, next);
  }
  impl_->replace_aliases(std::move(next));
}

Aliases Database::aliases() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->aliases;
}

SnapshotInfo Database::create_snapshot(const SnapshotScope& scope) {
  const std::lock_guard one(impl_->snapshot_mutex);
  return impl_->pack(scope ? std::vector{*scope} : collection_names(), scope);
}

std::vector<SnapshotInfo> Database::snapshots(const SnapshotScope& scope) const {
  return SnapshotFolder(impl_->snapshots, scope).list();
}

bool Database::delete_snapshot(const SnapshotScope& scope, const std::string& name) {
  const std::lock_guard one(impl_->snapshot_mutex);
  return SnapshotFolder(impl_->snapshots, scope).remove(name);
}

fs::path Database::snapshot_file(const SnapshotScope& scope, const std::string& name) const {
  return SnapshotFolder(impl_->snapshots, scope).find(name);
}

std::shared_ptr<Collection> Database::recover_collection(const std::string& name, const fs::path& file,
                                                         const RecoverOptions& options) {
  check_collection_name(name);
  const std::lock_guard one(impl_->snapshot_mutex);
  const Draft draft(impl_->tmp);
  const SnapshotManifest manifest = impl_->unpack(file, options, draft.path());
  std::size_t chosen = 0;  // the only one may have had another name
  if (manifest.collections.size() != 1) {
    const auto found = std::find_if(manifest.collections.begin(), manifest.collections.end(),
                                    [&](const SnapshotCollection& each) { return each.name == name; });
    if (found == manifest.collections.end())
      throw Error(ErrorCode::not_found, "the snapshot " + file.string() + " holds no collection `" + name + "`");
    chosen = static_cast<std::size_t>(found - manifest.collections.begin());
  }
  return impl_->replace(name, Impl::unpacked(draft.path(), chosen));
}

std::vector<std::string> Database::recover_all(const fs::path& file, const RecoverOptions& options) {
  const std::lock_guard one(impl_->snapshot_mutex);
  const Draft draft(impl_->tmp);
  const SnapshotManifest manifest = impl_->unpack(file, options, draft.path());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < manifest.collections.size(); ++i) {
    impl_->replace(manifest.collections[i].name, Impl::unpacked(draft.path(), i));
    names.push_back(manifest.collections[i].name);
  }
  return names;
}

}  // namespace nestor::storage
