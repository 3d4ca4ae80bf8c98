#include "storage/generation.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "index/error.h"
#include "storage/checksum.h"
#include "storage/file_io.h"
#include "storage/generation_format.h"
#include "storage/sealed_text.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;

constexpr char kManifest[] = "MANIFEST";
constexpr std::string_view kManifestHead = "nestor-manifest 1";
constexpr std::size_t kManifestLimit = 4096;
constexpr std::string_view kTemporarySuffix = ".tmp";

std::string encode_manifest(const std::string& file) { return seal_lines({std::string(kManifestHead), file}); }

// The file that the manifest names.
std::string decode_manifest(const std::string& text) {
  std::string file = unseal_lines(text, kManifestHead, 1).front();
  if (!parse_generation_name(file)) throw Error(ErrorCode::data_loss, "names \"" + file + "\", no generation file");
  return file;
}

// Space for the whole file at once: a full disk shows before the writing, and the file lies in few pieces.
void reserve(const FileDescriptor& fd, std::size_t bytes, const std::string& file) {
  if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes)) == 0) return;
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) throw_errno(errno, "reserve space for " + file);
  // Not every file system can; the length matters all the same, as the last section may end before it.
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) throw_errno(errno, "set the length of " + file);
}

}  // namespace

GenerationDirectory::GenerationDirectory(const std::filesystem::path& directory, index::Residency residency)
    : residency_(residency) {
  if (::mkdir(directory.c_str(), 0777) != 0 && errno != EEXIST)
    throw_errno(errno, "create the directory " + directory.string());
  directory_ = std::make_unique<Directory>(directory);
}

GenerationDirectory::~GenerationDirectory() = default;

void GenerationDirectory::publish(index::Sequence sequence, const std::vector<index::Section>& sections) {
  GenerationName name{sequence, 0};
  for (const std::string& file : directory_->files())
    if (const auto other = parse_generation_name(file); other && other->sequence == sequence)
      name.number = std::max(name.number, other->number + 1);
  const std::string file = to_string(name);
  const std::string temporary = file + std::string(kTemporarySuffix);
  try {
    write_file(temporary, sequence, sections);
    directory_->rename(temporary, file);
    directory_->sync();  // the file must be found by the time a manifest names it
    directory_->replace(kManifest, encode_manifest(file));
  } catch (...) {
    for (const std::string& leftover : {temporary, file}) {
      try {
        directory_->remove(leftover);
      } catch (const Error&) {
        // The first error is the one to report; load_newest and the next publish cope with leftovers.
      }
    }
    throw;
  }
  remove_all_but(file);
}

void GenerationDirectory::write_file(const std::string& file, index::Sequence sequence,
                                     const std::vector<index::Section>& sections) const {
  const GenerationHeader header = plan_generation(sequence, sections);
  const std::string name = directory_->name_of(file);
  const FileDescriptor fd = directory_->open(file, O_RDWR | O_CREAT | O_TRUNC);
  reserve(fd, header.file_bytes, name);
  const std::string head = encode_generation_header(header);
  write_at(fd, std::as_bytes(std::span(head)), 0, name);
  for (std::size_t i = 0; i < sections.size(); ++i) write_at(fd, sections[i].bytes, header.sections[i].offset, name);
  sync_file(fd, name);
}

void GenerationDirectory::drop_read_pages() const {
  const auto mapped = loaded_.lock();
  if (mapped && residency_ == index::Residency::walk_codes) mapped->drop_pages();
}

// Best effort: what cannot be removed now is tried again by the next publish.
void GenerationDirectory::remove_all_but(const std::string& file) const {
  try {
    for (const std::string& other : directory_->files()) {
      const bool ours = other.starts_with("generation-") || other.ends_with(kTemporarySuffix);
      if (ours && other != file) directory_->remove(other);
    }
  } catch (const Error&) {
  }
}

std::optional<index::LoadedSections> GenerationDirectory::load_newest(
    const std::function<void(const std::string&)>& on_damage) {
  const auto report = [&](const std::string& line) {
    if (on_damage) on_damage(line);
  };
  try {
    for (const std::string& file : candidates(report)) {
      try {
        return load(file);
      } catch (const Error& error) {
        report(directory_->name_of(file) + ": " + error.what());
      }
    }
  } catch (const Error& error) {
    report(error.what());
  }
  return std::nullopt;
}

void GenerationDirectory::link_to(const std::filesystem::path& target) const {
  constexpr int kTries = 100;  // a publish replaces manifest and file at most every few milliseconds
  for (int i = 0; i < kTries; ++i) {
    std::string manifest, file;
    try {
      manifest = directory_->read(kManifest, kManifestLimit);
      file = decode_manifest(manifest);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::not_found || error.code() == ErrorCode::data_loss) return;  // rebuilt from rows
      throw;
    }
    if (!directory_->link(file, target / file)) continue;  // replaced meanwhile
    Directory(target).replace(kManifest, manifest);
    return;
  }
}

// The one in force first, the others newest first.
std::vector<std::string> GenerationDirectory::candidates(
    const std::function<void(const std::string&)>& on_damage) const {
  std::vector<GenerationName> names;
  for (const std::string& file : directory_->files())
    if (const auto name = parse_generation_name(file)) names.push_back(*name);
  std::sort(names.begin(), names.end(), std::greater<>());
  std::vector<std::string> files;
  files.reserve(names.size());
  for (const GenerationName& name : names) files.push_back(to_string(name));

  try {
    const std::string in_force = decode_manifest(directory_->read(kManifest, kManifestLimit));
    const auto found = std::find(files.begin(), files.end(), in_force);
    if (found == files.end())
      on_damage(directory_->name_of(in_force) + " is missing, though " + kManifest + " names it");
    else
      std::rotate(files.begin(), found, found + 1);
  } catch (const Error& error) {
    // Without any generation file this is a collection that was never built.
    if (error.code() != ErrorCode::not_found || !files.empty())
      on_damage(directory_->name_of(kManifest) + ": " + error.what());
  }
  return files;
}

index::LoadedSections GenerationDirectory::load(const std::string& file) {
  const auto mapped = std::make_shared<MappedFile>(directory_->open(file, O_RDONLY), directory_->name_of(file));
  const GenerationHeader header = decode_generation_header(mapped->bytes());
  if (header.sequence != parse_generation_name(file)->sequence)
    throw Error(ErrorCode::data_loss, "holds sequence " + std::to_string(header.sequence) + ", unlike its name");
  verify_sections(mapped->bytes(), header);
  if (residency_ == index::Residency::walk_codes) mapped->drop_pages();

  index::LoadedSections loaded;
  loaded.sequence = header.sequence;
  for (const SectionEntry& entry : header.sections)
    loaded.sections.push_back({entry.name, mapped->bytes().subspan(entry.offset, entry.length)});
  std::vector<std::uint64_t> checksums;
  for (const SectionEntry& entry : header.sections) checksums.push_back(entry.checksum);
  loaded.fingerprint = checksum(std::as_bytes(std::span(checksums)));
  loaded.owner = mapped;
  loaded.residency = residency_;
  loaded_ = mapped;
  return loaded;
}

}  // namespace nestor::storage
