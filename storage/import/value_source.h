#pragma once
// Integers streamed from a file: the next-token id of each key, or the exact neighbours of each query.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/import/row_layout.h"
#include "storage/import/scalar_kind.h"

namespace nestor::storage {

// Not thread-safe. Memory: one batch of rows.
class ValueSource {
 public:
  virtual ~ValueSource() = default;

  virtual const std::string& path() const = 0;
  virtual std::uint64_t rows() const = 0;     // at least 1
  virtual std::uint64_t columns() const = 0;  // at least 1; 1 for a plain list
  virtual ScalarKind kind() const = 0;        // an integer kind

  // The next rows, at most `max`, as int64 [returned x columns] in `out` (resized). 0 at the end.
  // A uint64 above the largest int64 arrives negative.
  virtual std::size_t read_rows(std::size_t max, std::vector<std::int64_t>& out) = 0;

  // The next read_rows starts at `row`. Throws invalid_argument beyond rows().
  virtual void seek(std::uint64_t row) = 0;
};

// .npy [rows], [rows x 1] or [rows x columns] of any integer kind; .ivecs.
// Throws Error not_found, permission_denied, invalid_argument naming the file, what was found and
// what is expected.
std::unique_ptr<ValueSource> open_value_source(const std::string& path);
// The same where the layout is known from elsewhere: a raw memory map without a header.
std::unique_ptr<ValueSource> open_value_source(const std::string& path, const RowLayout& layout);

}  // namespace nestor::storage
