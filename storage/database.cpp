#include "storage/database.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "index/parallel.h"

#include "storage/database_impl.h"

namespace nestor::storage {
namespace {

void empty_directory(const fs::path& path) {
  for (const std::string& entry : Directory(path).files()) remove_tree(path / entry);
}

std::size_t allowed_files() {
  raise_file_limit();
  return file_use().limit;
}

}  // namespace

Database::Impl::Impl(const fs::path& directory, DatabaseOptions options)
    : log(std::make_shared<Logger>(std::move(options.log))),
      files(allowed_files()),
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

Database::Impl::~Impl() {
  builder.reset();
  log->silence();
}

void Database::Impl::open_aliases() {
  try {
    aliases = load_aliases(home);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::data_loss) throw;
    (*log)(std::string(error.what()) + "; collections are known by their own names only");
  }
}

// Opening waits for the disk more than for the processor, and the disk serves many who wait at once.
void Database::Impl::open_all() {
  constexpr std::size_t kThreads = 16;
  std::vector<std::string> names;
  for (const std::string& entry : Directory(collections).files()) {
    names.push_back(unescape_name(entry));
    if (escape_name(names.back()) == entry) continue;
    (*log)("ignored " + (collections / entry).string() + ": no directory name that Nestor writes");
    names.pop_back();
  }
  std::sort(names.begin(), names.end());
  // As many at once as are sure to fit; then one by one, by what the others really take.
  const std::size_t sure = std::min(names.size(), files.room_for(file_use().open));
  index::parallel_blocks(sure, 1, kThreads, [&](std::size_t first, std::size_t) { open_or_note(names[first]); });
  for (std::size_t i = sure; i < names.size(); ++i) {
    if (files.room_for(file_use().open) > 0)
      open_or_note(names[i]);
    else
      waiting.emplace(names[i], files.shortage());
  }
  if (waiting.empty()) return;
  (*log)(std::to_string(waiting.size()) + " of " + std::to_string(names.size()) +
         " collections wait to be opened, the first is " + waiting.begin()->first + ": " + waiting.begin()->second);
}

void Database::Impl::open_or_note(const std::string& name) {
  const auto note = [&](std::map<std::string, std::string>& where, const std::string& why) {
    const std::lock_guard guard(mutex);
    where.insert_or_assign(name, why);
  };
  try {
    Served opened = open_one(name);
    opened.home->remove_leftovers();
    const std::lock_guard guard(mutex);
    waiting.erase(name);
    served.emplace(name, std::move(opened));
  } catch (const Error& error) {
    // Without files or space nothing is known to be wrong with it.
    if (error.code() == ErrorCode::resource_exhausted) return note(waiting, error.what());
    note_damage(name, error.what());
  } catch (const std::exception& error) {
    note_damage(name, error.what());
  }
}

void Database::Impl::note_damage(const std::string& name, const std::string& why) {
  (*log)("collection " + name + " is damaged and not served: " + why);
  const std::lock_guard guard(mutex);
  waiting.erase(name);
  damaged.emplace(name, why);
}

void Database::Impl::check_file_room() const {
  std::size_t count = 0;
  {
    const std::lock_guard guard(mutex);
    count = served.size() + waiting.size() + damaged.size();
  }
  if (count >= files.collections() || files.room_for(file_use().open) == 0)
    throw Error(ErrorCode::resource_exhausted, "no room for a collection beside " + std::to_string(count) +
                                                   " others: " + files.shortage());
}

void Database::Impl::open_waiting(const std::string& name_or_alias) {
  const std::lock_guard change(change_mutex);
  std::string name;
  {
    const std::lock_guard guard(mutex);
    name = resolved(name_or_alias);
    if (!waiting.contains(name)) return;
  }
  if (files.room_for(file_use().open) == 0)
    throw Error(ErrorCode::unavailable, "Collection `" + name + "` waits to be opened: " + files.shortage());
  open_or_note(name);
}

Served Database::Impl::open_one(const std::string& name, RocksStore::Log rows) {
  const auto log_line = [sink = log](const std::string& line) { (*sink)(line); };
  const auto place = std::make_shared<CollectionHome>(collections / escape_name(name), resources, log_line, rows);
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
  place->generations()->drop_read_pages();
  return {std::move(collection), records->attributes(), place};
}

void Database::Impl::start_builder(unsigned threads) {
  const auto list = [this] {
    BackgroundBuilder::Collections all;
    const std::lock_guard guard(mutex);
    for (const auto& [name, entry] : served)
      if (!may_build || may_build(*entry.collection, entry.attributes)) all.push_back(entry.collection);
    return all;
  };
  builder = std::make_unique<BackgroundBuilder>(
      list, BackgroundBuilder::Options{.threads = threads, .log = [this](const std::string& line) { (*log)(line); }});
}

const Served& Database::Impl::find(const std::string& name_or_alias) const {
  const std::string& name = resolved(name_or_alias);
  if (const auto found = served.find(name); found != served.end()) return found->second;
  if (const auto found = damaged.find(name); found != damaged.end())
    throw Error(ErrorCode::data_loss, "Collection `" + name + "` is damaged: " + found->second);
  if (const auto found = waiting.find(name); found != waiting.end())
    throw Error(ErrorCode::unavailable, "Collection `" + name + "` waits to be opened: " + found->second);
  throw Error(ErrorCode::not_found, "Collection `" + name + "` doesn't exist!");
}

void Database::Impl::apply(const AliasChange& change, Aliases& next) const {
  const bool rename = change.kind == AliasChange::Kind::rename;
  if (change.kind == AliasChange::Kind::remove) {
    next.erase(change.alias);
    return;
  }
  const std::string& name = rename ? change.target : change.alias;
  check_collection_name(name);
  if (is_collection(name) || (rename && next.contains(name)))
    throw Error(ErrorCode::already_exists, std::string(is_collection(name) ? "Collection" : "Alias") + " with name `" +
                                               name + "` already exists, it cannot be an alias");
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

void Database::Impl::replace_aliases(Aliases next) {
  save_aliases(home, next);
  const std::lock_guard guard(mutex);
  aliases.swap(next);
}

void Database::Impl::check_no_alias(const std::string& name) const {
  if (aliases.contains(name))
    throw Error(ErrorCode::already_exists, "Alias `" + name + "` already exists, a collection needs another name");
}

void Database::Impl::check_free(const std::string& name) const {
  const std::lock_guard guard(mutex);
  check_no_alias(name);
  if (served.contains(name) || waiting.contains(name))
    throw Error(ErrorCode::already_exists, "Collection `" + name + "` already exists!");
  if (const auto found = damaged.find(name); found != damaged.end())
    throw Error(ErrorCode::already_exists,
                "Collection `" + name + "` already exists, but is damaged: " + found->second);
}

void Database::Impl::build_on_disk(const std::string& name, const CollectionOptions& collection_options,
                                   const std::string& attributes) {
  const Draft draft(tmp);
  make_directory(draft.path());
  CollectionHome::create(draft.path(), collection_options, attributes, resources);
  rename_durably(draft.path(), collections / escape_name(name));
}

fs::path Database::Impl::bury(const std::string& name) const {
  fs::path grave = trash / random_digits();
  rename_durably(collections / escape_name(name), grave);
  return grave;
}

Served Database::Impl::open_new(const std::string& name) {
  try {
    return open_one(name, RocksStore::Log::new_and_synced);
  } catch (...) {
    remove_tree(bury(name));
    throw;
  }
}

Database::Database() = default;
Database::~Database() = default;

std::unique_ptr<Database> Database::open(const fs::path& directory, DatabaseOptions options) {
  std::unique_ptr<Database> database(new Database());
  database->impl_ = std::make_unique<Impl>(directory, std::move(options));
  return database;
}

void Database::stop_builds() {
  if (impl_->builder) impl_->builder->request_stop();
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
  impl_->check_file_room();
  impl_->build_on_disk(name, validated, attributes);
  Served entry = impl_->open_new(name);
  const std::lock_guard guard(impl_->mutex);
  return impl_->served.emplace(name, std::move(entry)).first->second.collection;
}

void Database::change_graphs(const std::string& name, const std::vector<std::uint32_t>& graphs,
                             index::WalkCodes walk_codes) {
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
    entry.home->records()->write_graphs(graphs, walk_codes);
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

std::vector<WaitingCollection> Database::waiting() const {
  const std::lock_guard guard(impl_->mutex);
  std::vector<WaitingCollection> list;
  for (const auto& [name, reason] : impl_->waiting) list.push_back({name, reason});
  return list;
}

std::shared_ptr<Collection> Database::collection(const std::string& name) const {
  {
    const std::lock_guard guard(impl_->mutex);
    if (!impl_->waiting.contains(impl_->resolved(name))) return impl_->find(name).collection;
  }
  impl_->open_waiting(name);
  const std::lock_guard guard(impl_->mutex);
  return impl_->find(name).collection;
}

std::string Database::attributes(const std::string& name) const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->find(name).attributes;
}

void Database::change_attributes(const std::string& name,
                                 const std::function<std::string(const std::string&)>& change) {
  const std::lock_guard one_change(impl_->change_mutex);
  const std::string before = attributes(name), next = change(before);
  if (next == before) return;
  impl_->home_of(name)->change_attributes(next);
  const std::lock_guard guard(impl_->mutex);
  impl_->served.at(impl_->resolved(name)).attributes = next;
}

void Database::use_build_rule(BuildRule rule) {
  const std::lock_guard guard(impl_->mutex);
  impl_->may_build = std::move(rule);
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
    if (!impl_->is_collection(name)) return false;
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
    impl_->waiting.erase(name);
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

}  // namespace nestor::storage
