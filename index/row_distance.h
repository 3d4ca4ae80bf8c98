#pragma once
// Exact distances of one query to rows as they are stored. Rows stand in the user's own coordinates; where the
// collection is rotated and the answer is ranked by a prefix, the prefix meant is that of the rotated row, which is
// computed on the way (slow, and only then).

#include <vector>

#include "index/distance.h"
#include "index/generation.h"
#include "index/prepared_vector.h"

namespace nestor::index {

class RowDistance {
 public:
  // query must outlive this object. One object serves one thread.
  RowDistance(const Generation& generation, Metric metric, const PreparedQuery& query, std::size_t dim);

  float operator()(const float* row);
  float operator()(const RowMatrix& matrix, std::size_t row);

 private:
  const PcaRotation* rotation_;  // null: rows are compared as they stand
  ExactDistance distance_;
  std::size_t dim_;
  std::vector<float> wide_, rotated_;
};

// True when ranking by `width` compares rotated prefixes.
inline bool ranks_rotated(const Generation& generation, std::size_t width, std::size_t dim) {
  return generation.rotation() != nullptr && width < dim;
}

}  // namespace nestor::index
