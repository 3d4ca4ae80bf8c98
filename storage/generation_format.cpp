#include "storage/generation_format.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <set>

#include "index/error.h"
#include "storage/byte_order.h"
#include "storage/checksum.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;

constexpr std::string_view kMagic = "NESTGEN\n";
constexpr std::size_t kFixedBytes = 40;
constexpr std::size_t kNameBytes = kMaxSectionName + 1;
constexpr std::size_t kEntryBytes = kNameBytes + 3 * sizeof(std::uint64_t);
constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);
constexpr std::string_view kNamePrefix = "generation-";
constexpr std::string_view kNameSuffix = ".nestor";

[[noreturn]] void damaged(const std::string& what) { throw Error(ErrorCode::data_loss, what); }

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + kSectionAlign - 1) / kSectionAlign * kSectionAlign; }

std::uint64_t header_checksum(std::string_view header) {
  return checksum(std::as_bytes(std::span(header.substr(0, header.size() - kChecksumBytes))));
}

void check_names(std::span<const index::Section> sections) {
  if (sections.size() > kMaxSections)
    throw Error(ErrorCode::invalid_argument, "a generation of " + std::to_string(sections.size()) +
                                                 " sections, the limit is " + std::to_string(kMaxSections));
  std::set<std::string_view> names;
  for (const index::Section& section : sections) {
    if (section.name.empty() || section.name.size() > kMaxSectionName || section.name.find('\0') != std::string::npos)
      throw Error(ErrorCode::invalid_argument, "section name \"" + section.name + "\" has " +
                                                   std::to_string(section.name.size()) + " bytes, allowed are 1.." +
                                                   std::to_string(kMaxSectionName) + " without zeros");
    if (!names.insert(section.name).second)
      throw Error(ErrorCode::invalid_argument, "two sections are called \"" + section.name + "\"");
  }
}

SectionEntry read_entry(ByteReader& in) {
  SectionEntry entry;
  const std::string_view name = in.take(kNameBytes);
  entry.name = name.substr(0, name.find('\0'));
  entry.offset = in.little<std::uint64_t>();
  entry.length = in.little<std::uint64_t>();
  entry.checksum = in.little<std::uint64_t>();
  return entry;
}

}  // namespace

GenerationHeader plan_generation(index::Sequence sequence, std::span<const index::Section> sections) {
  check_names(sections);
  std::vector<std::span<const std::byte>> blocks;
  for (const index::Section& section : sections) blocks.push_back(section.bytes);
  const std::vector<std::uint64_t> sums = tree_checksums(blocks, 0);

  GenerationHeader header;
  header.sequence = sequence;
  header.header_bytes = aligned(kFixedBytes + sections.size() * kEntryBytes + kChecksumBytes);
  header.file_bytes = header.header_bytes;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    header.sections.push_back({sections[i].name, header.file_bytes, sections[i].bytes.size(), sums[i]});
    header.file_bytes += aligned(sections[i].bytes.size());
  }
  return header;
}

std::string encode_generation_header(const GenerationHeader& header) {
  std::string out(kMagic);
  append_little(out, kGenerationVersion);
  append_little(out, static_cast<std::uint32_t>(header.header_bytes));
  append_little(out, std::uint64_t{header.sequence});
  append_little(out, header.file_bytes);
  append_little(out, static_cast<std::uint32_t>(header.sections.size()));
  append_little(out, std::uint32_t{0});
  for (const SectionEntry& section : header.sections) {
    out += section.name;
    out.append(kNameBytes - section.name.size(), '\0');
    append_little(out, section.offset);
    append_little(out, section.length);
    append_little(out, section.checksum);
  }
  out.resize(header.header_bytes, '\0');
  store_little(out.data() + out.size() - kChecksumBytes, header_checksum(out));
  return out;
}

GenerationHeader decode_generation_header(std::span<const std::byte> file) {
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  ByteReader in(bytes, "generation header");
  if (in.take(kMagic.size()) != kMagic) damaged("not a generation file: the magic bytes are missing");
  const auto version = in.little<std::uint32_t>();
  const auto header_bytes = in.little<std::uint32_t>();
  if (header_bytes < kSectionAlign || header_bytes % kSectionAlign != 0 || header_bytes > bytes.size())
    damaged("header of " + std::to_string(header_bytes) + " bytes in a file of " + std::to_string(bytes.size()));
  const std::string_view whole = bytes.substr(0, header_bytes);
  if (header_checksum(whole) != load_little<std::uint64_t>(whole.data() + whole.size() - kChecksumBytes))
    damaged("the header fails its checksum");
  // After the checksum: damage must not pass for a newer version.
  if (version != kGenerationVersion)
    throw Error(ErrorCode::failed_precondition, "generation format version " + std::to_string(version) +
                                                    ", this program reads version " +
                                                    std::to_string(kGenerationVersion));

  // From here on the bytes are what some writer meant; a writer's bug must still not lead outside the file.
  GenerationHeader header;
  header.header_bytes = header_bytes;
  header.sequence = in.little<std::uint64_t>();
  header.file_bytes = in.little<std::uint64_t>();
  if (header.file_bytes != file.size())
    damaged("the file has " + std::to_string(file.size()) + " bytes, its header says " +
            std::to_string(header.file_bytes));
  const auto count = in.little<std::uint32_t>();
  in.take(sizeof(std::uint32_t));
  if (count > kMaxSections || kFixedBytes + count * kEntryBytes + kChecksumBytes > header_bytes)
    damaged("a header of " + std::to_string(header_bytes) + " bytes cannot hold " + std::to_string(count) +
            " sections");
  std::uint64_t expected_offset = header_bytes;
  for (std::uint32_t i = 0; i < count; ++i) {
    SectionEntry entry = read_entry(in);
    if (entry.offset != expected_offset || entry.length > file.size() - entry.offset)
      damaged("section \"" + entry.name + "\" lies outside the file or over another");
    expected_offset = entry.offset + aligned(entry.length);
    header.sections.push_back(std::move(entry));
  }
  if (expected_offset != file.size()) damaged("the sections do not fill the file");
  return header;
}

void verify_sections(std::span<const std::byte> file, const GenerationHeader& header) {
  std::vector<std::span<const std::byte>> blocks;
  for (const SectionEntry& section : header.sections) blocks.push_back(file.subspan(section.offset, section.length));
  const std::vector<std::uint64_t> sums = tree_checksums(blocks, 0);
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (sums[i] != header.sections[i].checksum)
      damaged("section \"" + header.sections[i].name + "\" fails its checksum");
}

std::string to_string(const GenerationName& name) {
  char text[64];
  std::snprintf(text, sizeof text, "generation-%020llu-%u.nestor", static_cast<unsigned long long>(name.sequence),
                name.number);
  return text;
}

std::optional<GenerationName> parse_generation_name(std::string_view file) {
  if (!file.starts_with(kNamePrefix) || !file.ends_with(kNameSuffix)) return std::nullopt;
  GenerationName name;
  const char* const end = file.data() + file.size() - kNameSuffix.size();
  const auto [dash, first_error] = std::from_chars(file.data() + kNamePrefix.size(), end, name.sequence);
  if (first_error != std::errc() || dash == end || *dash != '-') return std::nullopt;
  const auto [stop, second_error] = std::from_chars(dash + 1, end, name.number);
  // Only what to_string writes: no other spelling of the same number may name a second file.
  if (second_error != std::errc() || stop != end || to_string(name) != file) return std::nullopt;
  return name;
}

}  // namespace nestor::storage
