#pragma once
// The config.json of a knn-box datastore: {"data_list": [...], "data_infos": {"keys": {"name", "shape", "dtype"},
// ...}}.

#include <string>
#include <vector>

#include "storage/import/scalar_kind.h"

namespace nestor::storage {

struct KnnBoxArray {
  std::string name;  // "keys": the file is keys.npy, without a header
  std::vector<std::uint64_t> shape;
  ScalarKind kind = ScalarKind::float32;
};

// Throws Error invalid_argument naming the file, not_found when there is none.
std::vector<KnnBoxArray> read_knnbox_config(const std::string& path);

// NumPy's name of a type, with or without "torch." or "numpy." in front. Throws Error invalid_argument.
ScalarKind parse_scalar_kind(const std::string& text);

}  // namespace nestor::storage
