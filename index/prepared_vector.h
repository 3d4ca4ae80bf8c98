#pragma once
// The border where a user's numbers are checked and brought into the form that everything inside may trust.

#include <cstdint>
#include <span>
#include <vector>

#include "index/generation.h"
#include "index/options.h"
#include "index/search_types.h"

namespace nestor::index {

// Checks one vector to be stored and writes it to out (dim values) as it will be kept: normalised for cosine,
// rounded to the scalar type; a zero vector stays one. Throws Error invalid_argument: wrong dimension, NaN or Inf,
// overflow of float16.
void prepare_vector(const CollectionOptions& options, std::span<const float> in, float* out);

// The coordinates a query is compared by: checked to be finite, normalised for cosine. Throws Error invalid_argument.
std::vector<float> query_values(const CollectionOptions& options, std::span<const float> query);

// A query as a generation sees it.
struct PreparedQuery {
  std::vector<float> values;   // dim values, normalised for cosine; zeros after the width of a short query
  std::vector<float> rotated;  // its leading rotated coordinates, as many as ranking needs; empty: it ranks by values
  std::vector<float> turned;   // as the codes see it; empty: as it is
  std::uint32_t width = 0;     // ranking width
  bool uneven_rows = false;    // cosine over rows of float16, whose rounding leaves them longer or shorter than 1

  // What the codes are compared with.
  const float* coded() const { return turned.empty() ? values.data() : turned.data(); }
};

// query: dim values, or exactly one of the collection's widths. Throws Error invalid_argument.
PreparedQuery prepare_query(const CollectionOptions& options, const Generation& generation, std::span<const float> query,
                            const SearchOptions& search);

}  // namespace nestor::index
