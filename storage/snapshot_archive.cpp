#include "storage/snapshot_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "index/error.h"
#include "storage/file_io.h"
#include "storage/sha256.h"

namespace nestor::storage {

namespace fs = std::filesystem;

namespace {

using index::Error;
using index::ErrorCode;

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::size_t kLargestManifest = std::size_t{256} << 20;

struct FreeArchive {
  void operator()(archive* a) const { archive_free(a); }  // closes, for reading and writing alike
};
using ArchivePointer = std::unique_ptr<archive, FreeArchive>;
struct FreeEntry {
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};

// ---- writing ----

class Writer {
 public:
  Writer(const fs::path& target, std::int64_t created)
      : name_(target.string()),
        created_(created),
        fd_(open_file(target, O_WRONLY | O_CREAT | O_EXCL)),
        archive_(archive_write_new()),
        entry_(archive_entry_new()) {
    if (!archive_ || !entry_) throw Error(ErrorCode::resource_exhausted, "out of memory for an archive");
    check(archive_write_set_format_pax_restricted(archive_.get()));
    check(archive_write_set_bytes_per_block(archive_.get(), static_cast<int>(kBlock)));
    check(archive_write_set_bytes_in_last_block(archive_.get(), 1));
    check(archive_write_open(archive_.get(), this, nullptr, &Writer::take, nullptr));
  }

  void begin(const std::string& path, std::uint64_t bytes) {
    archive_entry* entry = archive_entry_clear(entry_.get());
    archive_entry_set_pathname(entry, path.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, created_, 0);
    check(archive_write_header(archive_.get(), entry));
  }
  void data(std::span<const std::byte> bytes) {
    const la_ssize_t written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
    if (written < 0) fail();
    if (static_cast<std::size_t>(written) != bytes.size())
      throw Error(ErrorCode::internal, "a file grew while it was written to " + name_);
  }
  WrittenArchive finish() {
    check(archive_write_close(archive_.get()));
    sync_file(fd_, name_);
    return {at_, sum_.hex()};
  }

 private:
  // Called by libarchive, through which no exception may pass.
  static la_ssize_t take(archive* a, void* self, const void* bytes, std::size_t count) {
    auto& writer = *static_cast<Writer*>(self);
    const std::span block(static_cast<const std::byte*>(bytes), count);
    try {
      write_at(writer.fd_, block, writer.at_, writer.name_);
      writer.sum_.update(block);
      writer.at_ += count;
      return static_cast<la_ssize_t>(count);
    } catch (const Error& error) {
      writer.error_ = error;
      archive_set_error(a, EIO, "%s", error.what());
      return -1;
    }
  }
  void check(int result) {
    if (result != ARCHIVE_OK) fail();
  }
  [[noreturn]] void fail() {
    if (error_) throw Error(*error_);
    const char* text = archive_error_string(archive_.get());
    throw Error(ErrorCode::internal, "cannot write the archive " + name_ + ": " + (text ? text : "unknown error"));
  }

  std::string name_;
  std::int64_t created_;
  FileDescriptor fd_;
  std::uint64_t at_ = 0;
  Sha256 sum_;
  std::optional<Error> error_;
  ArchivePointer archive_;
  std::unique_ptr<archive_entry, FreeEntry> entry_;
};

void copy_into(Writer& writer, const ArchiveSource& source, std::uint64_t bytes) {
  writer.begin(source.path, bytes);
  const FileDescriptor fd = open_file(source.file, O_RDONLY);
  std::vector<std::byte> block(kBlock);
  for (std::uint64_t at = 0; at < bytes;) {
    const std::size_t got = read_at(fd, block, at, source.file.string());
    if (got == 0) throw Error(ErrorCode::internal, source.file.string() + " shrank while it was read");
    writer.data(std::span(block).first(got));
    at += got;
  }
}

// ---- reading ----

class Reader {
 public:
  explicit Reader(const fs::path& file) : name_(file.string()), archive_(archive_read_new()) {
    if (!archive_) throw Error(ErrorCode::resource_exhausted, "out of memory for an archive");
    open_file(file, O_RDONLY);  // for its clear errors
    check(archive_read_support_format_tar(archive_.get()));
    check(archive_read_open_filename(archive_.get(), file.c_str(), kBlock));
  }

  // The next entry's path; nullopt: the end.
  std::optional<std::string> next() {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(archive_.get(), &entry);
    if (result == ARCHIVE_EOF) return std::nullopt;
    check(result);
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr)
      damaged("holds something that is no plain file");
    return path;
  }
  // Up to a block of the entry's bytes; empty: its end.
  std::span<const std::byte> data() {
    block_.resize(kBlock);
    const la_ssize_t got = archive_read_data(archive_.get(), block_.data(), block_.size());
    if (got < 0) check(static_cast<int>(got));
    return std::span(block_).first(static_cast<std::size_t>(got));
  }
  [[noreturn]] void damaged(const std::string& how) const {
    throw Error(ErrorCode::data_loss, "the snapshot " + name_ + " " + how + "; nothing was changed");
  }

 private:
  void check(int result) const {
    if (result == ARCHIVE_OK) return;
    const char* text = archive_error_string(archive_.get());
    damaged(std::string("cannot be read: ") + (text ? text : "unknown error"));
  }

  std::string name_;
  ArchivePointer archive_;
  std::vector<std::byte> block_;
};

SnapshotManifest read_manifest(Reader& reader) {
  if (reader.next() != kSnapshotManifest) reader.damaged("does not begin with a manifest");
  std::string text;
  for (auto part = reader.data(); !part.empty(); part = reader.data()) {
    text.append(reinterpret_cast<const char*>(part.data()), part.size());
    if (text.size() > kLargestManifest) reader.damaged("has a manifest larger than any");
  }
  return decode_snapshot_manifest(text);
}

void check_room(const SnapshotManifest& manifest, const fs::path& into) {
  std::uint64_t needed = 0;
  for (const SnapshotFile& file : manifest.files) needed += file.bytes;
  struct statvfs disk {};
  if (::statvfs(into.c_str(), &disk) != 0) return;
  const std::uint64_t room = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (needed > room)
    throw Error(ErrorCode::resource_exhausted, "the snapshot needs " + std::to_string(needed >> 20) +
                                                   " MiB, but only " + std::to_string(room >> 20) +
                                                   " MiB are free in " + into.string());
}

void unpack_file(Reader& reader, const SnapshotFile& file, const fs::path& target) {
  fs::create_directories(target.parent_path());
  const FileDescriptor fd = open_file(target, O_WRONLY | O_CREAT | O_EXCL);
  Sha256 sum;
  std::uint64_t at = 0;
  for (auto part = reader.data(); !part.empty(); part = reader.data()) {
    if (at + part.size() > file.bytes) reader.damaged("holds too much of " + file.path);
    sum.update(part);
    write_at(fd, part, at, target.string());
    at += part.size();
  }
  if (at != file.bytes) reader.damaged("holds too little of " + file.path);
  if (sum.hex() != file.sha256) reader.damaged("holds " + file.path + " altered: it fails its SHA-256");
  sync_file(fd, target.string());
}

}  // namespace

WrittenArchive write_snapshot(const fs::path& target, SnapshotManifest manifest,
                              const std::vector<ArchiveSource>& sources) {
  for (const ArchiveSource& source : sources)
    manifest.files.push_back({source.path, fs::file_size(source.file), sha256_of_file(source.file)});
  Writer writer(target, manifest.created);
  const std::string text = encode_snapshot_manifest(manifest);
  writer.begin(kSnapshotManifest, text.size());
  writer.data(std::as_bytes(std::span(text)));
  for (std::size_t i = 0; i < sources.size(); ++i) copy_into(writer, sources[i], manifest.files[i].bytes);
  return writer.finish();
}

SnapshotManifest unpack_snapshot(const fs::path& archive, const fs::path& into) {
  Reader reader(archive);
  SnapshotManifest manifest = read_manifest(reader);
  check_room(manifest, into);
  for (const SnapshotFile& file : manifest.files) {
    if (reader.next() != file.path) reader.damaged("lacks " + file.path);
    unpack_file(reader, file, into / file.path);
  }
  if (const auto more = reader.next()) reader.damaged("holds " + *more + ", which its manifest does not list");
  for (auto at = fs::recursive_directory_iterator(into); at != fs::recursive_directory_iterator(); ++at)
    if (at->is_directory()) sync_directory(at->path());
  return manifest;
}

}  // namespace nestor::storage
