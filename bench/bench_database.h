#pragma once
// The embedded database that a benchmark searches: built once, kept with --data.

#include <filesystem>
#include <memory>

#include "bench/arguments.h"
#include "bench/data_set.h"
#include "storage/database.h"

namespace nestor::bench {

// Removes its directory at the end unless --data named it.
class BenchDatabase {
 public:
  explicit BenchDatabase(const Arguments& arguments);
  ~BenchDatabase();
  BenchDatabase(const BenchDatabase&) = delete;
  BenchDatabase& operator=(const BenchDatabase&) = delete;

  // The collection NAME-ROTATION: point i is row i of `keys` with its value, in graphs.
  // One that is there with the same options and as many rows is used as it is. Progress goes to stderr.
  std::shared_ptr<index::Collection> collection(const DataSetFiles& files, index::Rotation rotation,
                                                const Matrix& keys);

 private:
  std::filesystem::path directory_;
  bool keep_ = false;
  unsigned threads_ = 0;
  std::unique_ptr<storage::Database> database_;
};

}  // namespace nestor::bench
