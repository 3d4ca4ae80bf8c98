#include "storage/manifest_seal.h"

#include <fcntl.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "index/error.h"
#include "storage/checksum.h"
#include "storage/file_io.h"
#include "storage/sealed_text.h"
#include "storage/store_env.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;

constexpr std::string_view kHead = "nestor-rocksdb-manifest 1";
constexpr std::string_view kPrefix = "MANIFEST-";
constexpr std::size_t kMaxSealBytes = 4096;

template <typename Int>
std::optional<Int> number_in(std::string_view text, int base) {
  Int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What the file CURRENT names, such as MANIFEST-000005.
std::string manifest_in_force(const Directory& directory) {
  std::string name = directory.read("CURRENT", kMaxSealBytes);
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

std::uint64_t number_of(const std::string& manifest, const Directory& directory) {
  const std::string_view name = manifest;
  const auto number =
      name.starts_with(kPrefix) ? number_in<std::uint64_t>(name.substr(kPrefix.size()), 10) : std::nullopt;
  if (!number)
    throw Error(ErrorCode::data_loss,
                directory.name_of("CURRENT") + " names \"" + manifest + "\", which is no manifest");
  return *number;
}

// The beginning of the file, `size` bytes or as many as there are.
std::vector<std::byte> beginning(const FileDescriptor& file, std::size_t size, const std::string& name) {
  std::vector<std::byte> bytes(size);
  bytes.resize(read_at(file, bytes, 0, name));
  return bytes;
}

}  // namespace

void verify_manifest_seal(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path / kManifestSealFile, ignored)) return;
  const Directory directory(path);
  const auto damaged = [&](const std::string& what) {
    return Error(ErrorCode::data_loss, what + "; restore a snapshot, or remove " +
                                           directory.name_of(kManifestSealFile) + " to open what is left");
  };
  std::vector<std::string> lines;
  try {
    lines = unseal_lines(directory.read(kManifestSealFile, kMaxSealBytes), kHead, 3);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::data_loss) throw;
    throw damaged(directory.name_of(kManifestSealFile) + " " + error.what());
  }
  const std::string& sealed = lines[0];
  const auto size = number_in<std::size_t>(lines[1], 10);
  const auto sum = number_in<std::uint64_t>(lines[2], 16);
  if (!size || !sum) throw damaged(directory.name_of(kManifestSealFile) + " does not hold a length and a checksum");

  const std::string in_force = manifest_in_force(directory);
  const std::uint64_t now = number_of(in_force, directory), then = number_of(sealed, directory);
  if (now > then) return;  // RocksDB has begun a new one since
  if (now < then)
    throw damaged(directory.name_of("CURRENT") + " names " + in_force + ", which is older than " + sealed);
  const std::string name = directory.name_of(sealed);
  const std::vector<std::byte> bytes = beginning(directory.open(sealed, O_RDONLY), *size, name);
  if (bytes.size() < *size)
    throw damaged(name + " has lost its end: it holds " + std::to_string(bytes.size()) + " bytes, and held " +
                  std::to_string(*size));
  if (checksum(bytes) != *sum) throw damaged(name + " fails its checksum");
}

void seal_manifest(const std::filesystem::path& path) {
  const Directory directory(path);
  const std::string manifest = manifest_in_force(directory);
  const std::string name = directory.name_of(manifest);
  const FileDescriptor file = directory.open(manifest, O_RDONLY);
  // The length first: what is behind it may not be durable after the sync.
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path / manifest, error);
  if (error) throw_errno(error.value(), "tell the size of " + name);
  sync_file(file, name);
  const std::vector<std::byte> bytes = beginning(file, size, name);
  char sum[24];
  std::snprintf(sum, sizeof sum, "%016llx", static_cast<unsigned long long>(checksum(bytes)));
  directory.replace(kManifestSealFile,
                    seal_lines({std::string(kHead), manifest, std::to_string(bytes.size()), std::string(sum)}));
}

void ManifestSealer::seal() {
  const std::lock_guard lock(mutex_);
  try {
    seal_manifest(directory_);
  } catch (const Error&) {
  }
}

void ManifestSealer::seal_soon() {
  {
    const std::lock_guard lock(waiting_mutex_);
    under_way_ = true;
  }
  run_in_background([this] {
    seal();
    const std::lock_guard lock(waiting_mutex_);
    under_way_ = false;
    done_.notify_all();
  });
}

void ManifestSealer::wait() {
  std::unique_lock lock(waiting_mutex_);
  done_.wait(lock, [&] { return !under_way_; });
}

}  // namespace nestor::storage
