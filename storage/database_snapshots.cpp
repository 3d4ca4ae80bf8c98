// Snapshots of a Database: packing collections into an archive and putting them back.
#include <algorithm>
#include <chrono>
#include <utility>

#include "storage/database_impl.h"
#include "storage/sha256.h"
#include "storage/snapshot_archive.h"
#include "storage/snapshot_folder.h"

namespace nestor::storage {
namespace {

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

// The number of the collection that is to be recovered as `name`.
std::size_t choose(const SnapshotManifest& manifest, const fs::path& file, const std::string& name,
                   const RecoverOptions& options) {
  if (!options.source && manifest.collections.size() == 1) return 0;  // it may have had another name
  const std::string& source = options.source.value_or(name);
  const auto found = std::find_if(manifest.collections.begin(), manifest.collections.end(),
                                  [&](const SnapshotCollection& each) { return each.name == source; });
  if (found != manifest.collections.end()) return static_cast<std::size_t>(found - manifest.collections.begin());
  std::string held;
  for (const SnapshotCollection& each : manifest.collections) held += (held.empty() ? "`" : ", `") + each.name + "`";
  throw Error(ErrorCode::not_found, "the snapshot " + file.string() + " holds no collection `" + source +
                                        "`; it holds " + (held.empty() ? "none" : held));
}

}  // namespace

SnapshotInfo Database::Impl::pack(const std::vector<std::string>& names, const SnapshotScope& scope) {
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

SnapshotManifest Database::Impl::unpack(const fs::path& file, const RecoverOptions& options, const fs::path& into) {
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

std::shared_ptr<Collection> Database::Impl::replace(const std::string& name, const fs::path& unpacked_home) {
  const std::lock_guard change(change_mutex);
  std::shared_ptr<CollectionHome> before;
  bool was_damaged = false;
  {
    const std::lock_guard guard(mutex);
    check_no_alias(name);
    if (const auto found = served.find(name); found != served.end()) before = found->second.home;
    was_damaged = damaged.contains(name) || waiting.contains(name);
  }
  if (!before && !was_damaged) check_file_room();
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
  waiting.erase(name);
  last = std::exchange(served[name], std::move(next));
  return served[name].collection;
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

fs::path Database::snapshot_directory() const { return impl_->snapshots; }
fs::path Database::scratch_directory() const { return impl_->tmp; }

fs::path Database::snapshot_file(const SnapshotScope& scope, const std::string& name) const {
  return SnapshotFolder(impl_->snapshots, scope).find(name);
}

std::shared_ptr<Collection> Database::recover_collection(const std::string& name, const fs::path& file,
                                                         const RecoverOptions& options) {
  check_collection_name(name);
  impl_->check_recoverable(name);
  const std::lock_guard one(impl_->snapshot_mutex);
  const Draft draft(impl_->tmp);
  const SnapshotManifest manifest = impl_->unpack(file, options, draft.path());
  return impl_->replace(name, Impl::unpacked(draft.path(), choose(manifest, file, name, options)));
}

std::vector<std::string> Database::recover_all(const fs::path& file, const RecoverOptions& options) {
  const std::lock_guard one(impl_->snapshot_mutex);
  const Draft draft(impl_->tmp);
  const SnapshotManifest manifest = impl_->unpack(file, options, draft.path());
  for (const SnapshotCollection& each : manifest.collections) impl_->check_recoverable(each.name);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < manifest.collections.size(); ++i) {
    impl_->replace(manifest.collections[i].name, Impl::unpacked(draft.path(), i));
    names.push_back(manifest.collections[i].name);
  }
  return names;
}

}  // namespace nestor::storage
