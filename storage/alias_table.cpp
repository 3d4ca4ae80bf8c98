#include "storage/alias_table.h"

#include <cinttypes>
#include <cstdio>
#include <span>

#include "index/error.h"
#include "storage/checksum.h"
#include "storage/file_io.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;

constexpr char kFile[] = "aliases";
constexpr std::string_view kMagic = "nestor aliases ";
constexpr std::string_view kVersion = "1 ";
constexpr std::size_t kMostBytes = std::size_t{256} << 20;

std::string digest(std::string_view text) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, checksum(std::as_bytes(std::span(text))));
  return digits;
}

[[noreturn]] void damaged(const std::string& what) { throw Error(ErrorCode::data_loss, "the file of aliases " + what); }

}  // namespace

std::string encode_aliases(const Aliases& aliases) {
  std::string lines;
  for (const auto& [alias, collection] : aliases) lines += alias + '\t' + collection + '\n';
  return std::string(kMagic) + std::string(kVersion) + digest(lines) + '\n' + lines;
}

Aliases decode_aliases(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) damaged("does not begin as one");
  bytes.remove_prefix(kMagic.size());
  if (!bytes.starts_with(kVersion))
    throw Error(ErrorCode::failed_precondition, "the file of aliases was written by a newer Nestor");
  bytes.remove_prefix(kVersion.size());
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos || bytes.substr(0, end) != digest(bytes.substr(end + 1)))
    damaged("does not match its checksum");
  bytes.remove_prefix(end + 1);
  Aliases aliases;
  while (!bytes.empty()) {
    const std::size_t tab = bytes.find('\t'), line = bytes.find('\n');
    if (tab == std::string_view::npos || line == std::string_view::npos || tab > line) damaged("holds half a line");
    aliases.emplace(bytes.substr(0, tab), bytes.substr(tab + 1, line - tab - 1));
    bytes.remove_prefix(line + 1);
  }
  return aliases;
}

Aliases load_aliases(const std::filesystem::path& directory) {
  const Directory home(directory);
  return home.exists(kFile) ? decode_aliases(home.read(kFile, kMostBytes)) : Aliases{};
}

void save_aliases(const std::filesystem::path& directory, const Aliases& aliases) {
  Directory(directory).replace(kFile, encode_aliases(aliases));
}

}  // namespace nestor::storage
