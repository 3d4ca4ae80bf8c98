#include "storage/import/vector_source.h"

#include "index/error.h"
#include "index/options.h"
#include "storage/import/row_layout.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

class FileVectorSource final : public VectorSource {
 public:
  explicit FileVectorSource(RowReader reader) : reader_(std::move(reader)) {}

  const std::string& path() const override { return reader_.path(); }
  std::uint64_t rows() const override { return reader_.layout().rows; }
  std::uint32_t dim() const override { return static_cast<std::uint32_t>(reader_.layout().columns); }
  ScalarKind kind() const override { return reader_.layout().kind; }

  std::size_t read_rows(std::size_t max, std::vector<float>& out) override {
    const std::span<const std::byte> bytes = reader_.read(max);
    out.resize(bytes.size() / size_of(kind()));
    decode_floats(kind(), bytes, out);
    return out.size() / dim();
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

void check_vectors(const std::string& path, const RowLayout& layout) {
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::invalid_argument, path + ": " + message);
  };
  if (layout.dimensions != 2) fail("holds " + describe(layout) + "; expected vectors [rows x coordinates]");
  if (layout.kind != ScalarKind::float32 && layout.kind != ScalarKind::float16 && layout.kind != ScalarKind::bfloat16 &&
      layout.kind != ScalarKind::uint8) {
    fail("holds " + describe(layout) + "; expected float32, float16 or uint8 vectors");
  }
  if (layout.rows == 0) fail("holds no rows");
  if (layout.columns < 1 || layout.columns > index::kMaxDim) {
    fail("holds vectors of " + std::to_string(layout.columns) + " coordinates; expected 1 to " +
         std::to_string(index::kMaxDim));
  }
}

}  // namespace

std::unique_ptr<VectorSource> open_vector_source(const std::string& path) {
  return open_vector_source(path, read_layout(InputFile(path)));
}

std::unique_ptr<VectorSource> open_vector_source(const std::string& path, const RowLayout& layout) {
  InputFile file(path);
  check_vectors(path, layout);
  return std::make_unique<FileVectorSource>(RowReader(std::move(file), layout));
}

}  // namespace nestor::storage
