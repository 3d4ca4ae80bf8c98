#pragma once
// The bytes of a generation file, format version 1. All integers little-endian.
//
//   offset  0  8 bytes  magic "NESTGEN\n"
//           8  u32      format version (1)
//          12  u32      bytes of this header, a multiple of 4096
//          16  u64      sequence: operations up to here are inside
//          24  u64      bytes of the file
//          32  u32      number of sections
//          36  u32      zero
//          40  80 bytes per section: name (56 bytes, zero padded), u64 offset, u64 length, u64 tree checksum
//           …  zeros
//   last 8 bytes of the header: u64 XXH3-64 of the header before them
//
// Sections follow in the order of the table, each at the next multiple of 4096, zeros between them; the file ends
// with the last one, filled up to 4096. Checksums: checksum.h.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/record_store.h"

namespace nestor::storage {

inline constexpr std::uint32_t kGenerationVersion = 1;
inline constexpr std::size_t kSectionAlign = 4096;
inline constexpr std::size_t kMaxSectionName = 55;
inline constexpr std::size_t kMaxSections = 4096;

struct SectionEntry {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t checksum = 0;
};

struct GenerationHeader {
  index::Sequence sequence = 0;
  std::uint64_t header_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::vector<SectionEntry> sections;
};

// Places the sections and computes their checksums. Throws Error invalid_argument: a name that is empty, longer than
// kMaxSectionName or used twice, or too many sections.
GenerationHeader plan_generation(index::Sequence sequence, std::span<const index::Section> sections);

std::string encode_generation_header(const GenerationHeader& header);

// `file`: the whole file. Checks magic, version, sizes, bounds, order and the header's checksum, so that every section
// lies inside the file; section checksums are verify_sections' work. Throws Error data_loss, or failed_precondition
// for a newer version.
GenerationHeader decode_generation_header(std::span<const std::byte> file);

// Compares every section with its checksum, on all cores. Throws Error data_loss naming the section.
// Cost: one pass over the bytes. Measured with the file in the page cache: 6 GB/s per core, page faults included, so
// 1 GB takes 0.1 s on two cores; otherwise the speed of the disk.
void verify_sections(std::span<const std::byte> file, const GenerationHeader& header);

// generation-<sequence, 20 digits>-<number>.nestor
struct GenerationName {
  index::Sequence sequence = 0;
  std::uint32_t number = 0;  // tells apart generations of the same sequence

  auto operator<=>(const GenerationName&) const = default;
};
std::string to_string(const GenerationName& name);
std::optional<GenerationName> parse_generation_name(std::string_view file);

}  // namespace nestor::storage
