#pragma once
// Where the rows of an import file lie. Every format that is read has rows of one size, so that a
// reader can start at any row and the promise of a header can be held against the size of the file.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/import/input_file.h"
#include "storage/import/scalar_kind.h"

namespace nestor::storage {

struct RowLayout {
  std::uint64_t data_offset = 0;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::uint32_t dimensions = 2;  // of the array: 1 for a plain list of numbers (columns == 1)
  ScalarKind kind = ScalarKind::float32;
  bool column_count_in_row = false;  // fvecs family: each row starts with its length as int32

  std::size_t row_bytes() const { return columns * size_of(kind) + (column_count_in_row ? 4 : 0); }
};

// By what the file holds (.npy magic) or by its name (.fvecs, .bvecs, .ivecs, .fbin, .ibin).
// Throws Error invalid_argument naming the file, what was found and what is expected.
RowLayout read_layout(const InputFile& file);

// "[18000 x 256] float16"
std::string describe(const RowLayout& layout);

// Reads the rows of a layout in order, as raw bytes without the row lengths.
class RowReader {
 public:
  RowReader(InputFile file, const RowLayout& layout) : file_(std::move(file)), layout_(layout) {}

  const std::string& path() const { return file_.path(); }
  const RowLayout& layout() const { return layout_; }
  std::uint64_t position() const { return next_; }
  // REQUIRES: row <= layout().rows.
  void seek(std::uint64_t row) { next_ = row; }

  // At most `max` rows from position() on; the view is good until the next call. Empty at the end.
  // Throws invalid_argument when a row's own length differs from the first row's.
  std::span<const std::byte> read(std::size_t max);

 private:
  void strip_row_lengths(std::size_t rows);

  InputFile file_;
  RowLayout layout_;
  std::uint64_t next_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace nestor::storage
