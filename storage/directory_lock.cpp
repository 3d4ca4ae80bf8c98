#include "storage/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "index/error.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;

constexpr char kLockFile[] = "LOCK";
constexpr std::string_view kMark = "nestor data directory ";
constexpr std::string_view kMarkLine = "nestor data directory 1\n";
constexpr std::size_t kLockLimit = 4096;

// create_directories with an error that names the part of the path in the way.
void make_directories(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (!error) return;
  if (error.value() == ENOTDIR || error.value() == EEXIST)
    throw Error(ErrorCode::invalid_argument, "data directory " + directory.string() +
                                                 " cannot be made: a file of that name, or of a parent's name, "
                                                 "is in the way");
  throw_errno(error.value(), "create the data directory " + directory.string());
}

Directory prepare(const std::filesystem::path& directory, bool create) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode))
      throw Error(ErrorCode::invalid_argument, "data directory " + directory.string() + " is a file, not a directory");
  } else if (errno == ENOENT && !create) {
    throw Error(ErrorCode::not_found, "data directory " + directory.string() + " does not exist");
  } else {
    make_directories(directory);
  }
  Directory opened(directory);
  if (!create && !opened.exists(kLockFile))
    throw Error(ErrorCode::not_found, directory.string() + " is not a Nestor data directory (it has no LOCK file)");
  return opened;
}

// " is in use by ...", from what the holder wrote into the lock file.
std::string in_use_by(const std::string& text) {
  const std::size_t at = text.find("process ");
  if (at == std::string::npos) return " is in use by another Nestor process";
  const std::string process = text.substr(at, text.find('\n', at) - at);
  if (process == "process " + std::to_string(::getpid()))
    return " is in use by this very " + process +
           ": another Database of it is open, or a Collection of a closed one is still held";
  return " is in use by another Nestor process (" + process + ")";
}

}  // namespace

DirectoryLock::DirectoryLock(const std::filesystem::path& directory, bool create)
    : directory_(prepare(directory, create)), lock_(directory_.open(kLockFile, O_RDWR | O_CREAT)) {
  take();
}

void DirectoryLock::take() {
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw_errno(errno, "lock " + directory_.name_of(kLockFile));
    throw Error(ErrorCode::failed_precondition,
                "data directory " + directory_.path().string() + in_use_by(directory_.read(kLockFile, kLockLimit)));
  }
  const std::string text = directory_.read(kLockFile, kLockLimit);
  if (text.starts_with(kMark) && !text.starts_with(kMarkLine))
    throw Error(ErrorCode::failed_precondition,
                "data directory " + directory_.path().string() + " was made by a newer Nestor");
  // Opening empties tmp and trash: never in a directory that only happens to have such entries.
  if (!text.starts_with(kMarkLine))
    for (const char* entry : {"collections", "tmp", "trash"})
      if (directory_.exists(entry))
        throw Error(ErrorCode::failed_precondition,
                    directory_.path().string() + " is not a Nestor data directory: it has an entry \"" + entry +
                        "\" but no LOCK file of Nestor; choose another or an empty directory");
  const std::string content = std::string(kMarkLine) + "process " + std::to_string(::getpid()) + "\n";
  if (content == text) return;
  const std::string name = directory_.name_of(kLockFile);
  write_at(lock_, std::as_bytes(std::span(content)), 0, name);
  if (::ftruncate(lock_.get(), static_cast<off_t>(content.size())) != 0) throw_errno(errno, "write " + name);
  sync_file(lock_, name);
  directory_.sync();
}

}  // namespace nestor::storage
