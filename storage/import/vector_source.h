#pragma once
// Vectors streamed from a file, whatever its format: what `nestor build` and the query commands read.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/import/row_layout.h"
#include "storage/import/scalar_kind.h"

namespace nestor::storage {

// Not thread-safe; one reader per file position. Memory: one batch of rows.
class VectorSource {
 public:
  virtual ~VectorSource() = default;

  virtual const std::string& path() const = 0;
  virtual std::uint64_t rows() const = 0;  // at least 1
  virtual std::uint32_t dim() const = 0;   // 1..index::kMaxDim
  // What the file holds: float32, float16, bfloat16 or uint8.
  virtual ScalarKind kind() const = 0;

  // The next rows, at most `max`, as float32 [returned x dim] in `out` (resized). 0 at the end.
  // Numbers are passed on as they are: NaN and infinities are for the caller to refuse.
  // Throws Error invalid_argument (a malformed row), data_loss (the file shrank), internal.
  virtual std::size_t read_rows(std::size_t max, std::vector<float>& out) = 0;

  // The next read_rows starts at `row`. Throws invalid_argument beyond rows().
  virtual void seek(std::uint64_t row) = 0;
};

// .npy [rows x dim] of float32, float16 or uint8; .fvecs; .bvecs. Header and size are checked here.
// Throws Error not_found, permission_denied, invalid_argument naming the file, what was found and
// what is expected.
std::unique_ptr<VectorSource> open_vector_source(const std::string& path);
// The same where the layout is known from elsewhere: a raw memory map without a header.
std::unique_ptr<VectorSource> open_vector_source(const std::string& path, const RowLayout& layout);

}  // namespace nestor::storage
