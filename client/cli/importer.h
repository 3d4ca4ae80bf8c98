#pragma once
// What `nestor build` does with files: everything that can be checked first, then rows into the database in batches.
// Ids are row numbers, so that an import that was stopped can go on and pointers stay what they are.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "client/cli/import_checks.h"
#include "index/collection.h"
#include "storage/import/datastore_layout.h"
#include "storage/import/value_source.h"
#include "storage/import/vector_source.h"

namespace nestor::client {

// What the user asked for; what is not given stays as the collection (or the default) has it.
struct CollectionChoices {
  std::string widths, graphs;  // "32,64"
  std::optional<std::string> metric, rotation, scalar_type, walk_codes;
  std::optional<std::uint32_t> max_links, candidates_at_build;
};

// Where keys came from, kept with the collection and shown by `nestor info`. Empty: not said.
struct Provenance {
  std::string model, layer, tokenizer;
};

class Importer {
 public:
  // Finds out what the files are and opens them. Throws Error naming the file, what was found and what is expected.
  Importer(const storage::DatastoreFiles& files, ImportRules rules, Provenance provenance);

  std::uint64_t rows() const { return rows_; }  // without a tail that check_rows cut off
  const storage::DatastoreLayout& layout() const { return layout_; }
  const storage::VectorSource& keys() const { return *keys_; }
  storage::VectorSource& keys() { return *keys_; }
  const ImportReport& report() const { return report_; }

  // A new collection for these files; float16 where they are exact in it. Validated.
  index::CollectionOptions options_for(const CollectionChoices& choices) const;
  // The manifest: kept with the collection, so that a later run can tell that it is the same import.
  std::string attributes() const;

  // The row to go on at. Throws Error failed_precondition when the collection was not filled from these files with
  // these choices.
  std::uint64_t resume_at(const index::Collection& collection, const CollectionChoices& choices,
                          const std::string& attributes_of_collection);

  // Reads all rows from `first` on and throws invalid_argument at the first one that the rules or no collection would
  // take: NaN, infinity, too large for float16, a zero vector with cosine, a value that is no token id.
  void check_rows(std::uint64_t first, const index::CollectionOptions& options);

  // Writes the rows from `first` on. `collection` keeps its own numbers where rows are skipped.
  void write_rows(std::uint64_t first, index::Collection& collection);

 private:
  struct Batch;

  void start(std::uint64_t row);
  bool next(Batch& batch);
  void check_last_row(const index::Collection& collection, std::uint64_t row);

  storage::DatastoreLayout layout_;
  ImportRules rules_;
  Provenance provenance_;
  ImportReport report_;
  std::uint64_t rows_ = 0;
  std::unique_ptr<storage::VectorSource> keys_;
  std::unique_ptr<storage::ValueSource> values_, weights_, documents_;  // null: none
};

}  // namespace nestor::client
