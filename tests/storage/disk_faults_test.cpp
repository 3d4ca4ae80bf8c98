#include "tests/storage/disk_faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string_view>

#include "tests/support/temporary_directory.h"
#include "tests/support/catch.h"

namespace nestor::tests {
namespace {

// Set before the threads that it concerns run, except for the counters.
struct Faults {
  std::atomic<bool> counting{false};
  std::string directory;
  std::atomic<std::uint64_t> seen{0};
  std::uint64_t fails_at = 0;
  bool sticky = false;
  int error = EIO;

  std::mutex mutex;
  std::set<ino_t> dropped;  // files whose sync failed: the kernel forgets what it could not write

  std::atomic<bool> kills{false};
  KillPoint kill_point;
  std::atomic<std::uint64_t> renames{0};
};
Faults& faults() {
  static Faults all;
  return all;
}

// inode and synced size, in the order of syncs.
struct SyncEntry {
  std::uint64_t inode, size;
};
struct SyncJournal {
  std::atomic<std::uint64_t> count;
  SyncEntry entries[1 << 20];
};
std::atomic<SyncJournal*> g_journal{nullptr};

SyncJournal* map_journal(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0 || ::ftruncate(fd, sizeof(SyncJournal)) != 0) throw std::runtime_error("journal");
  void* mapped = ::mmap(nullptr, sizeof(SyncJournal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (mapped == MAP_FAILED) throw std::runtime_error("journal");
  return static_cast<SyncJournal*>(mapped);
}

bool concerns_path(const char* path) {
  return path != nullptr && std::string_view(path).starts_with(faults().directory);
}
bool concerns_fd(int fd) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return concerns_path(path);
}
bool concerns_at(int fd, const char* path) { return path[0] == '/' ? concerns_path(path) : concerns_fd(fd); }

// Whether the operation is to fail; sets errno.
bool strikes(bool (*concerns)(int, const char*), int fd, const char* path) {
  Faults& f = faults();
  if (!f.counting || !concerns(fd, path)) return false;
  const std::uint64_t n = ++f.seen;
  if (f.fails_at == 0 || !(n == f.fails_at || (f.sticky && n > f.fails_at))) return false;
  errno = f.error;
  return true;
}
bool strikes_fd(int fd) { return strikes([](int at, const char*) { return concerns_fd(at); }, fd, nullptr); }
bool strikes_at(int fd, const char* path) { return strikes(concerns_at, fd, path); }

void note_sync(int fd) {
  SyncJournal* journal = g_journal;
  struct stat status {};
  if (journal == nullptr || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
  {
    const std::lock_guard lock(faults().mutex);
    if (faults().dropped.contains(status.st_ino)) return;
  }
  const std::uint64_t at = journal->count.fetch_add(1);
  if (at < std::size(journal->entries)) journal->entries[at] = {status.st_ino, static_cast<std::uint64_t>(status.st_size)};
}

bool sync_strikes(int fd) {
  if (!strikes_fd(fd)) return false;
  const int error = errno;
  struct stat status {};
  if (::fstat(fd, &status) == 0) {
    const std::lock_guard lock(faults().mutex);
    faults().dropped.insert(status.st_ino);
  }
  errno = error;
  return true;
}

void maybe_die(const char* to, bool before) {
  Faults& f = faults();
  if (!f.kills || f.kill_point.before != before) return;
  const std::string& name = f.kill_point.renamed_to;
  if (name.starts_with('.') ? !std::string_view(to).ends_with(name) : to != name) return;
  if (++f.renames == f.kill_point.occurrence) ::kill(::getpid(), SIGKILL);
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

void fail_disk(const std::filesystem::path& directory, std::uint64_t n, int error, bool sticky) {
  Faults& f = faults();
  f.counting = false;
  f.directory = directory.string();
  f.seen = 0;
  f.fails_at = n;
  f.error = error;
  f.sticky = sticky;
  f.counting = true;
}

std::uint64_t heal_disk() {
  faults().counting = false;
  return faults().seen;
}

void kill_at(const KillPoint& point) {
  faults().kill_point = point;
  faults().kills = true;
}

void record_syncs(const std::filesystem::path& journal) {
  {
    const std::lock_guard lock(faults().mutex);
    faults().dropped.clear();
  }
  g_journal = journal.empty() ? nullptr : map_journal(journal);
}

void lose_unsynced(const std::filesystem::path& directory, const std::filesystem::path& journal) {
  std::map<std::uint64_t, std::uint64_t> synced;
  SyncJournal* entries = map_journal(journal);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(entries->count, std::size(entries->entries)); ++i)
    synced[entries->entries[i].inode] = entries->entries[i].size;
  ::munmap(entries, sizeof *entries);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status {};
    if (!entry.is_regular_file() || ::stat(entry.path().c_str(), &status) != 0) continue;
    const auto known = synced.find(status.st_ino);
    const std::uint64_t size = known == synced.end() ? 0 : known->second;
    if (size < static_cast<std::uint64_t>(status.st_size)) std::filesystem::resize_file(entry.path(), size);
  }
}

}  // namespace nestor::tests

// ---- the stand-ins ----

using namespace nestor::tests;

extern "C" {

ssize_t write(int fd, const void* bytes, size_t count) {
  static const auto next = real<ssize_t(int, const void*, size_t)>("write");
  return strikes_fd(fd) ? -1 : next(fd, bytes, count);
}
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  static const auto next = real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return strikes_fd(fd) ? -1 : next(fd, bytes, count, offset);
}
int fsync(int fd) {
  static const auto next = real<int(int)>("fsync");
  if (sync_strikes(fd)) return -1;
  const int result = next(fd);
  if (result == 0) note_sync(fd);
  return result;
}
int fdatasync(int fd) {
  static const auto next = real<int(int)>("fdatasync");
  if (sync_strikes(fd)) return -1;
  const int result = next(fd);
  if (result == 0) note_sync(fd);
  return result;
}
int rename(const char* from, const char* to) {
  static const auto next = real<int(const char*, const char*)>("rename");
  if (strikes_at(AT_FDCWD, to)) return -1;
  maybe_die(to, true);
  const int result = next(from, to);
  if (result == 0) maybe_die(to, false);
  return result;
}
int renameat(int from_fd, const char* from, int to_fd, const char* to) {
  static const auto next = real<int(int, const char*, int, const char*)>("renameat");
  if (strikes_at(to_fd, to)) return -1;
  maybe_die(to, true);
  const int result = next(from_fd, from, to_fd, to);
  if (result == 0) maybe_die(to, false);
  return result;
}
int link(const char* from, const char* to) {
  static const auto next = real<int(const char*, const char*)>("link");
  return strikes_at(AT_FDCWD, to) ? -1 : next(from, to);
}
int mkdir(const char* path, mode_t mode) {
  static const auto next = real<int(const char*, mode_t)>("mkdir");
  return strikes_at(AT_FDCWD, path) ? -1 : next(path, mode);
}
int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags) {
  static const auto next = real<int(int, const char*, int, const char*, int)>("linkat");
  return strikes_at(to_fd, to) ? -1 : next(from_fd, from, to_fd, to, flags);
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
  static const auto next = real<int(int, int, off_t, off_t)>("fallocate");
  return strikes_fd(fd) ? -1 : next(fd, mode, offset, length);
}
int openat(int at, const char* path, int flags, ...) {
  static const auto next = real<int(int, const char*, int, ...)>("openat");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if ((flags & O_CREAT) && strikes_at(at, path)) return -1;
  return next(at, path, flags, mode);
}
int open(const char* path, int flags, ...) {
  static const auto next = real<int(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if ((flags & O_CREAT) && strikes_at(AT_FDCWD, path)) return -1;
  return next(path, flags, mode);
}

}  // extern "C"

TEST_CASE("the misbehaving disk fails the operation it was told to, and only below its directory") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "bad");
  std::filesystem::create_directory(directory / "good");
  const auto try_all = [&](const std::string& folder) {
    int failures = 0;
    const int fd = ::open((directory / (folder + "/file")).c_str(), O_RDWR | O_CREAT, 0666);
    failures += fd < 0;
    failures += ::write(fd, "x", 1) != 1;
    failures += ::fsync(fd) != 0;
    ::close(fd);
    failures += ::rename((directory / (folder + "/file")).c_str(), (directory / (folder + "/other")).c_str()) != 0;
    return failures;
  };
  fail_disk(directory / "bad", 0, EIO, false);
  CHECK(try_all("bad") == 0);
  CHECK(heal_disk() == 4);
  fail_disk(directory / "bad", 3, ENOSPC, false);
  CHECK(try_all("good") == 0);
  CHECK(try_all("bad") == 1);
  heal_disk();
  fail_disk(directory / "bad", 2, ENOSPC, true);
  CHECK(try_all("bad") == 3);
  heal_disk();
  CHECK(try_all("bad") == 0);

  const int fd = ::open((directory / "good/synced").c_str(), O_RDWR | O_CREAT, 0666);
  record_syncs(directory / "journal");
  CHECK(::write(fd, "kept", 4) == 4);
  CHECK(::fdatasync(fd) == 0);
  CHECK(::write(fd, "lost", 4) == 4);
  ::close(fd);
  record_syncs({});
  lose_unsynced(directory / "good", directory / "journal");
  CHECK(read_file(directory / "good/synced") == "kept");
}
