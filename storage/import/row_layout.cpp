#include "storage/import/row_layout.h"

#include <algorithm>
#include <cstring>

#include "index/error.h"
#include "storage/import/npy_reader.h"
#include "storage/import/vecs_reader.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

// big-ann-benchmarks: rows and columns as uint32, then the numbers.
RowLayout read_bin_layout(const InputFile& file) {
  std::uint32_t shape[2] = {0, 0};
  if (file.size() < sizeof shape)
    throw Error(ErrorCode::invalid_argument,
                file.path() + ": " + std::to_string(file.size()) + " bytes are too few for its two counts");
  file.read(0, std::as_writable_bytes(std::span(shape)));
  RowLayout layout;
  layout.data_offset = sizeof shape;
  layout.rows = shape[0];
  layout.columns = shape[1];
  layout.kind = file.path().ends_with(".ibin") ? ScalarKind::int32 : ScalarKind::float32;
  const std::uint64_t expected = layout.rows * layout.columns * size_of(layout.kind);
  const std::uint64_t found = file.size() - layout.data_offset;
  if (expected != found)
    throw Error(ErrorCode::invalid_argument,
                file.path() + (found < expected ? ": truncated: " : ": bytes after the end of the array: ") +
                    "the header promises " + describe(layout) + " = " + std::to_string(expected) +
                    " bytes of data, the file holds " + std::to_string(found));
  return layout;
}

}  // namespace

RowLayout read_layout(const InputFile& file) {
  const std::string& path = file.path();
  if (path.ends_with(".npy") || has_npy_magic(file)) return read_npy_layout(file);
  if (path.ends_with(".fvecs") || path.ends_with(".bvecs") || path.ends_with(".ivecs")) return read_vecs_layout(file);
  if (path.ends_with(".fbin") || path.ends_with(".ibin")) return read_bin_layout(file);
  throw Error(ErrorCode::invalid_argument,
              path + ": unknown format; expected .npy, .fvecs, .bvecs, .ivecs, .fbin or .ibin");
}

std::string describe(const RowLayout& layout) {
  std::string text = "[" + std::to_string(layout.rows);
  if (layout.dimensions > 1) text += " x " + std::to_string(layout.columns);
  return text + "] " + std::string(to_string(layout.kind));
}

std::span<const std::byte> RowReader::read(std::size_t max) {
  const std::size_t rows = static_cast<std::size_t>(std::min<std::uint64_t>(max, layout_.rows - next_));
  if (rows == 0) return {};
  buffer_.resize(rows * layout_.row_bytes());
  file_.read(layout_.data_offset + next_ * layout_.row_bytes(), buffer_);
  if (layout_.column_count_in_row) strip_row_lengths(rows);
  next_ += rows;
  return buffer_;
}

void RowReader::strip_row_lengths(std::size_t rows) {
  const std::size_t stride = layout_.row_bytes();
  const std::size_t bytes = stride - 4;
  for (std::size_t row = 0; row < rows; ++row) {
    std::int32_t columns = 0;
    std::memcpy(&columns, buffer_.data() + row * stride, 4);
    if (columns < 0 || static_cast<std::uint64_t>(columns) != layout_.columns) {
      throw Error(ErrorCode::invalid_argument, file_.path() + ": row " + std::to_string(next_ + row) + " says it has " +
                                                   std::to_string(columns) + " coordinates; expected " +
                                                   std::to_string(layout_.columns) + ", as in row 0");
    }
    std::memmove(buffer_.data() + row * bytes, buffer_.data() + row * stride + 4, bytes);
  }
  buffer_.resize(rows * bytes);
}

}  // namespace nestor::storage
