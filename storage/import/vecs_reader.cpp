#include "storage/import/vecs_reader.h"

#include <cstring>

#include "index/error.h"
#include "index/options.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

RowLayout read_vecs_layout(const InputFile& file) {
  const std::string& path = file.path();
  RowLayout layout;
  layout.column_count_in_row = true;
  layout.kind = path.ends_with(".bvecs")   ? ScalarKind::uint8
                : path.ends_with(".ivecs") ? ScalarKind::int32
                                           : ScalarKind::float32;
  if (file.size() < 4) {
    throw Error(ErrorCode::invalid_argument, path + ": " + std::to_string(file.size()) +
                                                 " bytes are too few for one row; a row starts with its length");
  }
  std::int32_t columns = 0;
  file.read(0, std::as_writable_bytes(std::span(&columns, 1)));
  if (columns < 1 || columns > static_cast<std::int32_t>(index::kMaxDim)) {
    throw Error(ErrorCode::invalid_argument, path + ": row 0 says it has " + std::to_string(columns) +
                                                 " coordinates; expected 1 to " + std::to_string(index::kMaxDim));
  }
  layout.columns = static_cast<std::uint64_t>(columns);
  layout.rows = file.size() / layout.row_bytes();
  const std::uint64_t rest = file.size() % layout.row_bytes();
  if (rest != 0) {
    throw Error(ErrorCode::invalid_argument, path + ": truncated: rows of " + std::to_string(columns) +
                                                 " coordinates take " + std::to_string(layout.row_bytes()) +
                                                 " bytes each, but after " + std::to_string(layout.rows) + " rows " +
                                                 std::to_string(rest) + " bytes are left");
  }
  return layout;
}

}  // namespace nestor::storage
