#pragma once
// POSIX files with Errors instead of errno, and the one way Nestor replaces a file so that a crash leaves the old or
// the new one whole.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nestor::storage {

// Throws Error "cannot ACTION: why". Out of space or of descriptors -> resource_exhausted; not permitted or read-only
// file system -> permission_denied; missing -> not_found; a path that is no directory -> invalid_argument;
// unreadable medium -> data_loss; anything else -> internal.
[[noreturn]] void throw_errno(int error, const std::string& action);

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Any path; `mode` of created files as the umask allows. Throws Error.
FileDescriptor open_file(const std::filesystem::path& file, int flags);

// A directory held open: names inside it are resolved against the directory itself, so they stay right when it is
// renamed (a deleted collection moves to the trash while someone still holds it).
class Directory {
 public:
  // The directory must exist. Throws Error.
  explicit Directory(const std::filesystem::path& path);

  // As given at opening, for messages.
  const std::filesystem::path& path() const { return path_; }
  std::string name_of(std::string_view file) const { return (path_ / file).string(); }

  // Never follows a symbolic link out of the directory. `mode` is for created files.
  FileDescriptor open(const std::string& file, int flags) const;
  bool exists(const std::string& file) const;
  std::vector<std::string> files() const;  // names except . and .., any order
  void rename(const std::string& from, const std::string& to) const;
  // A second name for a file, or a copy where the file system has no links. False: `file` was not there.
  bool link(const std::string& file, const std::filesystem::path& target) const;
  bool remove(const std::string& file) const;  // false: was not there
  void sync() const;
  // Every file in it, and the directory: durable on return.
  void sync_all() const;
  // Whole content. Throws Error not_found; data_loss when larger than `limit` bytes.
  std::string read(const std::string& file, std::size_t limit) const;
  // Temporary file, fsync, rename, fsync of the directory: durable on return, atomic throughout.
  void replace(const std::string& file, std::string_view content) const;

 private:
  std::filesystem::path path_;
  FileDescriptor fd_;
};

// Fills `bytes` from the offset as far as the file goes; the number of bytes read, 0 at the end.
std::size_t read_at(const FileDescriptor& fd, std::span<std::byte> bytes, std::size_t offset, const std::string& file);
// Writes all bytes at the offset, in spite of short writes and interrupts.
void write_at(const FileDescriptor& fd, std::span<const std::byte> bytes, std::size_t offset, const std::string& file);
void sync_file(const FileDescriptor& fd, const std::string& file);
void sync_directory(const std::filesystem::path& path);

// Throws Error, also when it exists. Not synced.
void make_directory(const std::filesystem::path& path);
// Both parents are synced.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);
// Best effort, never throws.
void remove_tree(const std::filesystem::path& path);

// A whole file in memory, read-only, shared with the page cache.
class MappedFile {
 public:
  // `file` names it in messages. Throws Error data_loss when it is empty.
  MappedFile(const FileDescriptor& fd, const std::string& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // What was read leaves this process's memory, and stays in the page cache as long as the machine has room.
  void drop_pages() const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace nestor::storage
