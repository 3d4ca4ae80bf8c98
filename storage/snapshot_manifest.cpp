#include "storage/snapshot_manifest.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <span>

#include "index/error.h"
#include "storage/collection_name.h"
#include "storage/sha256.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;

constexpr std::string_view kHead = "nestor-snapshot ";
constexpr std::string_view kSeal = "sha256 ";
constexpr unsigned kVersion = 1;

[[noreturn]] void damaged(const std::string& how) {
  throw Error(ErrorCode::data_loss, "the snapshot's manifest " + how);
}

std::string sum_of(std::string_view text) {
  Sha256 sum;
  sum.update(std::as_bytes(std::span(text)));
  return sum.hex();
}

template <class Number>
Number number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    damaged("holds \"" + std::string(text) + "\" where a number belongs");
  return value;
}

// Cuts the next word off the front.
std::string_view word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view first = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return first;
}

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), plain);
}

void check_path(std::string_view path, std::size_t collections) {
  constexpr std::string_view kRoot = "collections/";
  std::string_view rest = path;
  bool good = rest.starts_with(kRoot);
  if (good) {
    rest.remove_prefix(kRoot.size());
    const std::size_t slash = rest.find('/');
    const std::string_view digits = rest.substr(0, slash);
    good = slash != std::string_view::npos && digits.size() <= 9 && !digits.empty() &&
           std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
           number_of<std::size_t>(digits) < collections;
    if (good) rest.remove_prefix(slash + 1);
  }
  if (good) {
    const std::string_view folder = rest.substr(0, rest.find('/'));
    good = (folder == "rocks" || folder == "generations") && rest.size() > folder.size() &&
           is_plain_name(rest.substr(folder.size() + 1));
  }
  if (!good) damaged("names the impossible file \"" + std::string(path) + "\"");
}

void check_version(std::string_view text) {
  if (!text.starts_with(kHead)) damaged("does not begin with \"" + std::string(kHead) + "\"");
  const std::string_view number = text.substr(kHead.size(), text.find('\n') - kHead.size());
  if (const auto version = number_of<unsigned>(number); version != kVersion)
    throw Error(ErrorCode::failed_precondition, "the snapshot has format version " + std::string(number) +
                                                    ", this program reads version " + std::to_string(kVersion));
}

void read_line(std::string_view line, SnapshotManifest& manifest) {
  const std::string_view kind = word(line);
  if (kind == "created") {
    manifest.created = number_of<std::int64_t>(line);
  } else if (kind == "collection") {
    if (number_of<std::size_t>(word(line)) != manifest.collections.size()) damaged("lists collections out of order");
    SnapshotCollection collection;
    collection.sequence = number_of<index::Sequence>(word(line));
    collection.points = number_of<std::uint64_t>(word(line));
    collection.name = unescape_name(line);
    if (escape_name(collection.name) != line) damaged("holds a collection name that Nestor does not write");
    manifest.collections.push_back(std::move(collection));
  } else if (kind == "file") {
    SnapshotFile file;
    file.sha256 = word(line);
    file.bytes = number_of<std::uint64_t>(word(line));
    file.path = line;
    check_path(file.path, manifest.collections.size());
    manifest.files.push_back(std::move(file));
  } else {
    damaged("has a line of the unknown kind \"" + std::string(kind) + "\"");
  }
}

}  // namespace

std::string encode_snapshot_manifest(const SnapshotManifest& manifest) {
  std::string text =
      std::string(kHead) + std::to_string(kVersion) + "\ncreated " + std::to_string(manifest.created) + "\n";
  for (std::size_t i = 0; i < manifest.collections.size(); ++i) {
    const SnapshotCollection& collection = manifest.collections[i];
    text += "collection " + std::to_string(i) + " " + std::to_string(collection.sequence) + " " +
            std::to_string(collection.points) + " " + escape_name(collection.name) + "\n";
  }
  for (const SnapshotFile& file : manifest.files)
    text += "file " + file.sha256 + " " + std::to_string(file.bytes) + " " + file.path + "\n";
  return text + std::string(kSeal) + sum_of(text) + "\n";
}

SnapshotManifest decode_snapshot_manifest(std::string_view text) {
  check_version(text);
  const std::size_t seal = text.rfind(kSeal);
  if (seal == std::string_view::npos || seal == 0 || text[seal - 1] != '\n' ||
      text.substr(seal) != std::string(kSeal) + sum_of(text.substr(0, seal)) + "\n")
    damaged("fails its SHA-256");
  SnapshotManifest manifest;
  std::string_view rest = text.substr(0, seal);
  rest.remove_prefix(rest.find('\n') + 1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    read_line(rest.substr(0, end), manifest);
    rest.remove_prefix(end + 1);
  }
  std::set<std::string_view> paths;
  for (const SnapshotFile& file : manifest.files)
    if (!paths.insert(file.path).second) damaged("lists \"" + file.path + "\" twice");
  return manifest;
}

}  // namespace nestor::storage
