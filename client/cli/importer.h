#pragma once
// What `nestor build` does with a file: everything that can be checked first, then rows into the
// database in batches. Ids are row numbers, so that an import that was stopped can go on.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "index/collection.h"
#include "storage/import/value_source.h"
#include "storage/import/vector_source.h"

namespace nestor::client {

// What the user asked for; what is not given stays as the collection (or the default) has it.
struct CollectionChoices {
  std::string widths, graphs;  // "32,64"
  std::optional<std::string> metric, rotation, scalar_type;
  std::optional<std::uint32_t> max_links, candidates_at_build;
};

class Importer {
 public:
  // Opens and checks the headers. Throws Error naming the file, what was found and what is expected.
  Importer(const std::string& keys, const std::string& values);

  std::uint64_t rows() const { return keys_->rows(); }
  const storage::VectorSource& keys() const { return *keys_; }

  // A new collection for this file; float16 where the file is exact in it. Validated.
  index::CollectionOptions options_for(const CollectionChoices& choices) const;
  // Kept with the collection, so that a later run can tell that it is the same import.
  std::string attributes() const;

  // The row to go on at. Throws Error failed_precondition when the collection was not filled from
  // this file with these choices.
  std::uint64_t resume_at(const index::Collection& collection, const CollectionChoices& choices,
                          const std::string& attributes_of_collection);

  // Reads all rows from `first` on and throws invalid_argument at the first one that no collection
  // would take: NaN, infinity, too large for float16, a zero vector with cosine, a value that is no token id.
  void check_rows(std::uint64_t first, const index::CollectionOptions& options);

  // Writes the rows from `first` on.
  void write_rows(std::uint64_t first, index::Collection& collection);

 private:
  struct Batch;

  void start(std::uint64_t row);
  bool next(Batch& batch);
  void check_last_row(const index::Collection& collection, std::uint64_t row);

  std::unique_ptr<storage::VectorSource> keys_;
  std::unique_ptr<storage::ValueSource> values_;  // null: none
};

}  // namespace nestor::client
