#include "storage/snapshot_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "index/error.h"
#include "storage/collection_name.h"
#include "storage/file_io.h"

namespace nestor::storage {

namespace fs = std::filesystem;

namespace {

using index::Error;
using index::ErrorCode;

constexpr std::string_view kSuffix = ".snapshot";
constexpr std::string_view kSumSuffix = ".sha256";
constexpr std::size_t kSumDigits = 64;

bool is_snapshot(std::string_view name) {
  return name.ends_with(kSuffix) && name.find('/') == std::string_view::npos && name.front() != '.';
}

std::string utc(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d-%H-%M-%S", &parts);
  return text;
}

}  // namespace

SnapshotFolder::SnapshotFolder(const fs::path& root, const SnapshotScope& scope)
    : path_(scope ? root / "collections" / escape_name(*scope) : root / "full"),
      stem_(scope ? escape_name(*scope) : "full-snapshot") {
  // File names end at 255 bytes; the folder still has the whole name.
  constexpr std::size_t kLongestStem = 200;
  stem_.resize(std::min(stem_.size(), kLongestStem));
}

std::vector<SnapshotInfo> SnapshotFolder::list() const {
  std::vector<SnapshotInfo> found;
  std::error_code missing;
  if (!fs::exists(path_, missing)) return found;
  for (const std::string& name : Directory(path_).files())
    if (is_snapshot(name)) found.push_back(info_of(name));
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

SnapshotInfo SnapshotFolder::info_of(const std::string& name) const {
  SnapshotInfo info;
  info.name = name;
  struct stat status {};
  if (::stat((path_ / name).c_str(), &status) != 0) throw_errno(errno, "look at " + (path_ / name).string());
  info.bytes = static_cast<std::uint64_t>(status.st_size);
  info.created = std::chrono::system_clock::from_time_t(status.st_mtime);
  try {
    const std::string text = Directory(path_).read(name + std::string(kSumSuffix), 4096);
    if (text.size() > kSumDigits && text[kSumDigits] == ' ') info.sha256 = text.substr(0, kSumDigits);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
  }
  return info;
}

fs::path SnapshotFolder::find(const std::string& name) const {
  if (name.empty() || !is_snapshot(name))
    throw Error(ErrorCode::invalid_argument, "\"" + name + "\" is no snapshot's name; they end in .snapshot");
  std::error_code missing;
  if (!fs::is_regular_file(path_ / name, missing))
    throw Error(ErrorCode::not_found, "Snapshot `" + name + "` doesn't exist!");
  return path_ / name;
}

SnapshotInfo SnapshotFolder::add(const fs::path& archive, const WrittenArchive& written, std::int64_t created) const {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw_errno(error.value(), "create the directory " + path_.string());
  sync_directory(path_.parent_path().parent_path());
  sync_directory(path_.parent_path());
  std::string name;
  for (int i = 0; name.empty() || fs::exists(path_ / name); ++i)
    name = stem_ + "-" + utc(created) + (i == 0 ? "" : "-" + std::to_string(i)) + std::string(kSuffix);
  Directory(path_).replace(name + std::string(kSumSuffix), written.sha256 + "  " + name + "\n");
  rename_durably(archive, path_ / name);
  return info_of(name);
}

bool SnapshotFolder::remove(const std::string& name) const {
  try {
    find(name);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::not_found) return false;
    throw;
  }
  const Directory folder(path_);
  const bool removed = folder.remove(name);
  folder.remove(name + std::string(kSumSuffix));
  folder.sync();
  return removed;
}

}  // namespace nestor::storage
