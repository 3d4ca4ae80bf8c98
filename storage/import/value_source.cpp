#include "storage/import/value_source.h"

#include "index/error.h"
#include "index/options.h"
#include "storage/import/row_layout.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

class FileValueSource final : public ValueSource {
 public:
  explicit FileValueSource(RowReader reader) : reader_(std::move(reader)) {}

  const std::string& path() const override { return reader_.path(); }
  std::uint64_t rows() const override { return reader_.layout().rows; }
  std::uint64_t columns() const override { return reader_.layout().columns; }
  ScalarKind kind() const override { return reader_.layout().kind; }

  std::size_t read_rows(std::size_t max, std::vector<std::int64_t>& out) override {
    const std::span<const std::byte> bytes = reader_.read(max);
    out.resize(bytes.size() / size_of(kind()));
    decode_integers(kind(), bytes, out);
    return out.size() / static_cast<std::size_t>(columns());
  }

  void seek(std::uint64_t row) override {
    if (row > rows()) {
      throw Error(ErrorCode::invalid_argument,
                  path() + " has " + std::to_string(rows()) + " rows; cannot start at row " + std::to_string(row));
    }
    reader_.seek(row);
  }

 private:
  RowReader reader_;
};

}  // namespace

std::unique_ptr<ValueSource> open_value_source(const std::string& path) {
  return open_value_source(path, read_layout(InputFile(path)));
}

std::unique_ptr<ValueSource> open_value_source(const std::string& path, const RowLayout& layout) {
  InputFile file(path);
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::invalid_argument, path + ": " + message);
  };
  if (!is_integer(layout.kind)) fail("holds " + describe(layout) + "; expected integers");
  if (layout.rows == 0 || layout.columns == 0) fail("holds " + describe(layout) + ": no values");
  // A batch of rows is held in memory, so a row has to stay a row.
  if (layout.columns > index::kMaxDim) {
    fail("holds rows of " + std::to_string(layout.columns) + " values; expected at most " +
         std::to_string(index::kMaxDim));
  }
  return std::make_unique<FileValueSource>(RowReader(std::move(file), layout));
}

}  // namespace nestor::storage
