#include "storage/database.h"

#include <cinttypes>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <utility>

#include "storage/background_builder.h"
#include "storage/collection_name.h"
#include "storage/directory_lock.h"
#include "storage/file_io.h"
#include "storage/generation.h"
#include "storage/rocks_store.h"

namespace nestor::storage {

namespace fs = std::filesystem;

namespace {

constexpr char kGenerations[] = "generations";
constexpr std::string_view kRocksPrefix = "rocks-";

std::string random_digits() {
  std::random_device device;
  char text[24];
  std::snprintf(text, sizeof text, "%016" PRIx64, std::uint64_t{device()} << 32 | device());
  return text;
}

// A directory of its own for each collection that ever had a name: whoever still holds a deleted one keeps a RocksDB
// that works by absolute path, and must never meet the files of its successor.
std::string new_rocks_name() { return std::string(kRocksPrefix) + random_digits(); }

fs::path find_rocks(const fs::path& home) {
  for (const std::string& entry : Directory(home).files())
    if (entry.starts_with(kRocksPrefix)) return home / entry;
  throw Error(ErrorCode::data_loss, home.string() + " holds no rows (no directory rocks-*)");
}

void make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directory(path, error);
  if (error) throw_errno(error.value(), "create the directory " + path.string());
}

void rename_durably(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw_errno(error.value(), "rename " + from.string() + " to " + to.string());
  sync_directory(to.parent_path());
  sync_directory(from.parent_path());
}

// What stays behind is removed at the next opening.
void remove_tree(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

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
};

}  // namespace

struct Database::Impl {
  // Constant after construction.
  const std::shared_ptr<Logger> log;
  std::shared_ptr<DirectoryLock> lock;
  std::shared_ptr<StoreResources> resources;
  fs::path collections, tmp, trash;

  std::mutex change_mutex;   // one create or delete at a time, held over I/O
  mutable std::mutex mutex;  // guards the two maps; never held over I/O
  std::map<std::string, Served> served;
  std::map<std::string, std::string> damaged;
  std::unique_ptr<BackgroundBuilder> builder;  // goes first

  Impl(const fs::path& directory, DatabaseOptions options)
      : log(std::make_shared<Logger>(std::move(options.log))),
        lock(std::make_shared<DirectoryLock>(directory, options.create_if_missing)),
        resources(make_store_resources()) {
    // Absolute, so that a program that changes its working directory does not lose its files.
    const fs::path absolute = fs::absolute(directory);
    for (const auto& [member, name] : {std::pair{&collections, "collections"}, {&tmp, "tmp"}, {&trash, "trash"}}) {
      *member = absolute / name;
      make_directory(*member);
    }
    empty_directory(tmp);
    empty_directory(trash);
    sync_directory(absolute);
    open_all();
    if (options.background_builds) start_builder(options.build_threads);
  }
  ~Impl() {
    builder.reset();
    log->silence();
  }

  void open_all() {
    for (const std::string& entry : Directory(collections).files()) {
      const std::string name = unescape_name(entry);
      if (escape_name(name) != entry) {
        (*log)("ignored " + (collections / entry).string() + ": no directory name that Nestor writes");
        continue;
      }
      try {
        served.emplace(name, open_one(name));
      } catch (const std::exception& error) {
        damaged.emplace(name, error.what());
        (*log)("collection " + name + " is damaged and not served: " + error.what());
      }
    }
  }

  Served open_one(const std::string& name) {
    const fs::path home = collections / escape_name(name);
    const std::shared_ptr<RocksStore> records = RocksStore::open(find_rocks(home), resources);
    const auto generations = std::make_shared<GenerationDirectory>(home / kGenerations);
    // The handle keeps the directory's lock, as users may hold it longer than the Database.
    std::shared_ptr<Collection> collection(new Collection(name, records->options(), records, generations,
                                                          [sink = log](const std::string& line) { (*sink)(line); }),
                                           // A deleter lives as long as the last weak_ptr; the lock must not.
                                           [keep = lock](Collection* owned) mutable {
                                             delete owned;
                                             keep.reset();
                                           });
    return {std::move(collection), records->attributes()};
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

  const Served& find(const std::string& name) const {  // REQUIRES mutex
    if (const auto found = served.find(name); found != served.end()) return found->second;
    if (const auto found = damaged.find(name); found != damaged.end())
      throw Error(ErrorCode::data_loss, "Collection `" + name + "` is damaged: " + found->second);
    throw Error(ErrorCode::not_found, "Collection `" + name + "` doesn't exist!");
  }

  void check_free(const std::string& name) const {
    const std::lock_guard guard(mutex);
    if (served.contains(name)) throw Error(ErrorCode::already_exists, "Collection `" + name + "` already exists!");
    if (const auto found = damaged.find(name); found != damaged.end())
      throw Error(ErrorCode::already_exists,
                  "Collection `" + name + "` already exists, but is damaged: " + found->second);
  }

  // Built aside and renamed into place, so that a crash leaves a whole collection or none.
  void build_on_disk(const std::string& name, const CollectionOptions& collection_options,
                     const std::string& attributes) {
    const fs::path draft = tmp / random_digits();
    try {
      make_directory(draft);
      make_directory(draft / kGenerations);
      RocksStore::create(draft / new_rocks_name(), collection_options, attributes, resources);
      sync_directory(draft);
      rename_durably(draft, collections / escape_name(name));
    } catch (...) {
      remove_tree(draft);
      throw;
    }
  }

  // Moves the collection's directory away for good; what remains is to remove it.
  fs::path bury(const std::string& name) const {
    fs::path grave = trash / random_digits();
    rename_durably(collections / escape_name(name), grave);
    return grave;
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
  return impl_->served.contains(name);
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

std::shared_ptr<Collection> Database::collection(const std::string& name) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->find(name).collection;
}

std::string Database::attributes(const std::string& name) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->find(name).attributes;
}

bool Database::delete_collection(const std::string& name) {
  const std::lock_guard change(impl_->change_mutex);
  {
    const std::lock_guard guard(impl_->mutex);
    if (!impl_->served.contains(name) && !impl_->damaged.contains(name)) return false;
  }
  const fs::path grave = impl_->bury(name);
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
  remove_tree(grave);
  return true;
}

}  // namespace nestor::storage
