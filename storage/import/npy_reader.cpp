#include "storage/import/npy_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "index/error.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

constexpr std::array<std::uint8_t, 6> kMagic = {0x93, 'N', 'U', 'M', 'P', 'Y'};

[[noreturn]] void fail(const InputFile& file, const std::string& message) {
  throw Error(ErrorCode::invalid_argument, file.path() + ": " + message);
}

struct Preamble {
  std::uint64_t header_offset = 0;
  std::uint32_t header_bytes = 0;
};

Preamble read_preamble(const InputFile& file) {
  if (!has_npy_magic(file)) {
    fail(file, "does not start with the .npy magic; a raw memory map has to be saved with numpy.save first");
  }
  if (file.size() < 12)
    fail(file, "truncated: " + std::to_string(file.size()) + " bytes are too few for a .npy header");
  std::array<std::byte, 12> bytes{};
  file.read(0, bytes);
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  const std::uint32_t major = byte(6);
  const std::uint32_t minor = byte(7);
  if (major < 1 || major > 3 || minor != 0) {
    fail(file, ".npy version " + std::to_string(major) + "." + std::to_string(minor) + "; expected 1.0, 2.0 or 3.0");
  }
  Preamble preamble;
  preamble.header_offset = major == 1 ? 10 : 12;
  preamble.header_bytes = byte(8) | byte(9) << 8;
  if (major > 1) preamble.header_bytes |= byte(10) << 16 | byte(11) << 24;
  if (preamble.header_bytes > kMaxNpyHeaderBytes) {
    fail(file, "a .npy header of " + std::to_string(preamble.header_bytes) + " bytes; at most " +
                   std::to_string(kMaxNpyHeaderBytes) + " are read");
  }
  if (preamble.header_offset + preamble.header_bytes > file.size()) {
    fail(file, "truncated: a .npy header of " + std::to_string(preamble.header_bytes) +
                   " bytes does not fit a file of " + std::to_string(file.size()));
  }
  return preamble;
}

ScalarKind kind_from_descr(const InputFile& file, const std::string& descr) {
  if (descr.size() >= 2 && descr[1] == 'O') fail(file, "holds Python objects (dtype object); expected plain numbers");
  if (descr.size() >= 2 && descr[0] == '>') {
    fail(file, "is big-endian (dtype " + descr + "); expected little-endian, e.g. saved after a.astype('<" +
                   descr.substr(1) + "')");
  }
  struct Known {
    std::string_view code;
    ScalarKind kind;
  };
  static constexpr std::array<Known, 11> known = {{{"f2", ScalarKind::float16},
                                                   {"f4", ScalarKind::float32},
                                                   {"f8", ScalarKind::float64},
                                                   {"i1", ScalarKind::int8},
                                                   {"i2", ScalarKind::int16},
                                                   {"i4", ScalarKind::int32},
                                                   {"i8", ScalarKind::int64},
                                                   {"u1", ScalarKind::uint8},
                                                   {"u2", ScalarKind::uint16},
                                                   {"u4", ScalarKind::uint32},
                                                   {"u8", ScalarKind::uint64}}};
  for (const Known& candidate : known) {
    if (descr.size() != 3 || descr.substr(1) != candidate.code) continue;
    const bool one_byte = size_of(candidate.kind) == 1;
    if (descr[0] == '<' || (one_byte && descr[0] == '|')) return candidate.kind;
  }
  fail(file,
       "has dtype '" + descr.substr(0, 40) + "'; expected little-endian floats or integers such as <f4, <f2, |u1, <i4");
}

// rows * columns * item size, or an error when the product does not fit.
std::uint64_t checked_bytes(const InputFile& file, const RowLayout& layout) {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(layout.rows, layout.columns, &bytes) ||
      __builtin_mul_overflow(bytes, std::uint64_t{size_of(layout.kind)}, &bytes)) {
    fail(file, "shape " + describe(layout) + " overflows 64 bits");
  }
  return bytes;
}

void check_size(const InputFile& file, const RowLayout& layout) {
  const std::uint64_t expected = checked_bytes(file, layout);
  const std::uint64_t found = file.size() - layout.data_offset;
  if (expected == found) return;
  const std::string promise = "the header promises " + describe(layout) + " = " + std::to_string(expected) +
                              " bytes of data, the file holds " + std::to_string(found);
  fail(file, (found < expected ? "truncated: " : "bytes after the end of the array: ") + promise);
}

}  // namespace

bool has_npy_magic(const InputFile& file) {
  if (file.size() < kMagic.size()) return false;
  std::array<std::byte, kMagic.size()> bytes{};
  file.read(0, bytes);
  return std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

RowLayout read_npy_layout(const InputFile& file) {
  const Preamble preamble = read_preamble(file);
  std::string text(preamble.header_bytes, '\0');
  file.read(preamble.header_offset, std::as_writable_bytes(std::span(text)));

  NpyHeader header;
  try {
    header = parse_npy_header(text);
  } catch (const Error& error) {
    throw Error(error.code(), file.path() + ": " + error.what());
  }
  if (header.shape.empty() || header.shape.size() > 2) {
    fail(file,
         "an array of " + std::to_string(header.shape.size()) + " dimensions; expected [rows x coordinates] or [rows]");
  }
  RowLayout layout;
  layout.kind = kind_from_descr(file, header.descr);
  layout.data_offset = preamble.header_offset + preamble.header_bytes;
  layout.dimensions = static_cast<std::uint32_t>(header.shape.size());
  layout.rows = header.shape[0];
  layout.columns = header.shape.size() == 2 ? header.shape[1] : 1;
  if (header.fortran_order && layout.rows > 1 && layout.columns > 1) {
    fail(file, "is in Fortran (column) order; expected C order, e.g. saved after numpy.ascontiguousarray(a)");
  }
  check_size(file, layout);
  return layout;
}

}  // namespace nestor::storage
