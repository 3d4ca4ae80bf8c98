#include "storage/file_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "index/error.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

ErrorCode code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return ErrorCode::resource_exhausted;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission_denied;
    case ENOENT: return ErrorCode::not_found;
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG: return ErrorCode::invalid_argument;
    case EIO: return ErrorCode::data_loss;
    default: return ErrorCode::internal;
  }
}

// Repeats a system call that a signal interrupted.
template <typename Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

void throw_errno(int error, const std::string& action) {
  throw Error(code_of(error), "cannot " + action + ": " + std::generic_category().message(error));
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Directory::Directory(const std::filesystem::path& path)
    : path_(path), fd_(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); })) {
  if (!fd_) throw_errno(errno, "open the directory " + path.string());
}

FileDescriptor open_file(const std::filesystem::path& file, int flags) {
  FileDescriptor fd(retry([&] { return ::open(file.c_str(), flags | O_CLOEXEC, 0666); }));
  if (!fd) throw_errno(errno, ((flags & O_CREAT) ? "create " : "open ") + file.string());
  return fd;
}

FileDescriptor Directory::open(const std::string& file, int flags) const {
  FileDescriptor fd(retry([&] { return ::openat(fd_.get(), file.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0666); }));
  if (!fd) throw_errno(errno, ((flags & O_CREAT) ? "create " : "open ") + name_of(file));
  return fd;
}

bool Directory::exists(const std::string& file) const {
  struct stat status {};
  if (::fstatat(fd_.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) return false;
  throw_errno(errno, "look at " + name_of(file));
}

std::vector<std::string> Directory::files() const {
  // A descriptor of its own: reading entries moves the position that a duplicate would share.
  const int fd = retry([&] { return ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) throw_errno(errno, "list " + path_.string());
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), &::closedir);
  if (!stream) {
    ::close(fd);
    throw_errno(errno, "list " + path_.string());
  }
  std::vector<std::string> names;
  errno = 0;
  // The stream is this call's own, which glibc's readdir needs no lock for.
  while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) throw_errno(errno, "list " + path_.string());
  return names;
}

void Directory::rename(const std::string& from, const std::string& to) const {
  if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0)
    throw_errno(errno, "rename " + name_of(from) + " to " + to);
}

bool Directory::link(const std::string& file, const std::filesystem::path& target) const {
  if (::linkat(fd_.get(), file.c_str(), AT_FDCWD, target.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != ENOTSUP)
    throw_errno(errno, "link " + name_of(file) + " to " + target.string());
  const FileDescriptor from = open(file, O_RDONLY);
  const FileDescriptor to = open_file(target, O_WRONLY | O_CREAT | O_EXCL);
  std::vector<std::byte> block(std::size_t{1} << 20);
  std::size_t at = 0;
  while (const std::size_t got = read_at(from, block, at, name_of(file))) {
    write_at(to, std::span(block).first(got), at, target.string());
    at += got;
  }
  return true;
}

bool Directory::remove(const std::string& file) const {
  if (::unlinkat(fd_.get(), file.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  throw_errno(errno, "remove " + name_of(file));
}

// All are begun before the first is waited for, so that they share the disk's time.
void Directory::sync_all() const {
  std::vector<std::pair<FileDescriptor, std::string>> opened;
  for (const std::string& file : files()) opened.emplace_back(open(file, O_RDONLY), name_of(file));
  for (const auto& [file, name] : opened) ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  for (const auto& [file, name] : opened) sync_file(file, name);
  sync();
}

void Directory::sync() const { sync_file(fd_, path_.string()); }

std::string Directory::read(const std::string& file, std::size_t limit) const {
  const FileDescriptor fd = open(file, O_RDONLY);
  std::string content(limit + 1, '\0');
  const std::size_t size = read_at(fd, std::as_writable_bytes(std::span(content)), 0, name_of(file));
  if (size > limit)
    throw Error(ErrorCode::data_loss, name_of(file) + " is larger than " + std::to_string(limit) + " bytes");
  content.resize(size);
  return content;
}

void Directory::replace(const std::string& file, std::string_view content) const {
  const std::string temporary = file + ".tmp";
  const FileDescriptor fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  write_at(fd, std::as_bytes(std::span(content)), 0, name_of(temporary));
  sync_file(fd, name_of(temporary));
  rename(temporary, file);
  sync();
}

std::size_t read_at(const FileDescriptor& fd, std::span<std::byte> bytes, std::size_t offset, const std::string& file) {
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = retry(
        [&] { return ::pread(fd.get(), bytes.data() + size, bytes.size() - size, static_cast<off_t>(offset + size)); });
    if (got < 0) throw_errno(errno, "read " + file);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return size;
}

void write_at(const FileDescriptor& fd, std::span<const std::byte> bytes, std::size_t offset, const std::string& file) {
  constexpr std::size_t kLargestWrite = std::size_t{64} << 20;
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), kLargestWrite);
    const ssize_t written = retry([&] { return ::pwrite(fd.get(), bytes.data(), part, static_cast<off_t>(offset)); });
    if (written < 0) throw_errno(errno, "write " + file);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
}

void sync_file(const FileDescriptor& fd, const std::string& file) {
  if (retry([&] { return ::fsync(fd.get()); }) != 0) throw_errno(errno, "sync " + file);
}

void sync_directory(const std::filesystem::path& path) { Directory(path).sync(); }

void make_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0777) != 0) throw_errno(errno, "create the directory " + path.string());
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_errno(errno, "rename " + from.string() + " to " + to.string());
  sync_directory(to.parent_path());
  sync_directory(from.parent_path());
}

void remove_tree(const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

MappedFile::MappedFile(const FileDescriptor& fd, const std::string& file) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno(errno, "look at " + file);
  size_ = static_cast<std::size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size_ == 0) throw Error(ErrorCode::data_loss, file + " is empty or not a file");
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) throw_errno(errno, "map " + file);
  data_ = static_cast<const std::byte*>(mapped);
}

void MappedFile::drop_pages() const { ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED); }

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(data_), size_); }

}  // namespace nestor::storage
