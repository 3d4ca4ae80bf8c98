#pragma once
// How the rows of each kind of data come about; data_kinds.h has their names.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "tests/support/seeded_random.h"

namespace nestor::tests {

// Fills one vector. `number`: which row it is, in the order of writing; a query is given that of some row.
using MakeVector = std::function<void(SeededRandom& random, std::size_t number, std::span<float> out)>;

struct Shape {
  MakeVector row;
  MakeVector query = {};  // empty: made as a row is
};

struct ShapeRequest {
  std::size_t rows = 0;
  std::uint32_t dim = 0;
  std::span<const float> bases = {};  // [some x dim], for copies of given rows
};

// `random` is for what all rows share: centres, directions, means.
using MakeShape = Shape (*)(const ShapeRequest& request, SeededRandom& random);

// Groups, copies, orders.
Shape near_duplicates(const ShapeRequest& request, SeededRandom& random);
Shape noisy_copies(const ShapeRequest& request, SeededRandom& random);
Shape exact_copies(const ShapeRequest& request, SeededRandom& random);
Shape one_row_many_times(const ShapeRequest& request, SeededRandom& random);
Shape sorted_clusters(const ShapeRequest& request, SeededRandom& random);
Shape nested_clusters(const ShapeRequest& request, SeededRandom& random);

// Scales and places.
Shape one_large_coordinate(const ShapeRequest& request, SeededRandom& random);
Shape two_large_coordinates(const ShapeRequest& request, SeededRandom& random);
Shape far_origin(const ShapeRequest& request, SeededRandom& random);
Shape very_far_origin(const ShapeRequest& request, SeededRandom& random);
Shape constant_prefix(const ShapeRequest& request, SeededRandom& random);
Shape outside_queries(const ShapeRequest& request, SeededRandom& random);
Shape long_rows(const ShapeRequest& request, SeededRandom& random);
Shape one_endless_row(const ShapeRequest& request, SeededRandom& random);
Shape two_scales(const ShapeRequest& request, SeededRandom& random);
Shape tiny_scale(const ShapeRequest& request, SeededRandom& random);
Shape huge_scale(const ShapeRequest& request, SeededRandom& random);
Shape denormals(const ShapeRequest& request, SeededRandom& random);
Shape heavy_tails(const ShapeRequest& request, SeededRandom& random);

// Spectra and dimensions.
Shape flat_spectrum(const ShapeRequest& request, SeededRandom& random);
Shape steep_spectrum(const ShapeRequest& request, SeededRandom& random);
Shape informative_last(const ShapeRequest& request, SeededRandom& random);
Shape low_dimension(const ShapeRequest& request, SeededRandom& random);
Shape one_dimension(const ShapeRequest& request, SeededRandom& random);
Shape line(const ShapeRequest& request, SeededRandom& random);
Shape sorted_line(const ShapeRequest& request, SeededRandom& random);
Shape sphere(const ShapeRequest& request, SeededRandom& random);

// Alphabets.
Shape sparse(const ShapeRequest& request, SeededRandom& random);
Shape sparse_words(const ShapeRequest& request, SeededRandom& random);
Shape one_hot(const ShapeRequest& request, SeededRandom& random);
Shape one_hot_weighted(const ShapeRequest& request, SeededRandom& random);
Shape plus_minus_one(const ShapeRequest& request, SeededRandom& random);
Shape counts(const ShapeRequest& request, SeededRandom& random);

}  // namespace nestor::tests
