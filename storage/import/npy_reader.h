#pragma once
// NumPy's .npy, versions 1 to 3 (numpy/lib/format.py): magic, version, header length, a Python dict
// literal {'descr': ..., 'fortran_order': ..., 'shape': ...}, then the array.
// The header is parsed by hand and nothing in it is trusted.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/import/input_file.h"
#include "storage/import/row_layout.h"

namespace nestor::storage {

// Longest header that is read. NumPy itself writes 128 bytes and by default refuses more than 10,000.
inline constexpr std::uint32_t kMaxNpyHeaderBytes = 65536;

struct NpyHeader {
  std::string descr;  // "<f4"
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

// The dict literal alone. Throws Error invalid_argument, with the reason but without a file name.
NpyHeader parse_npy_header(std::string_view text);

bool has_npy_magic(const InputFile& file);

// Reads the header and holds it against the file's size: data that is missing and bytes after the
// end are both errors. Arrays of one or two dimensions, C order, little-endian.
// Throws Error invalid_argument naming the file, what was found and what is expected.
RowLayout read_npy_layout(const InputFile& file);

}  // namespace nestor::storage
