#include "tests/support/data_kinds.h"

#include <cstring>
#include <unordered_set>

#include "index/error.h"

namespace nestor::tests {
namespace {

using enum index::Metric;

enum Stream : std::uint64_t { kShared = 1, kRows = 2, kQueries = 3, kRowOfQuery = 4 };

std::string_view bytes_of(std::span<const float> vector) {
  return {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()};
}

// Makes queries until none is a row: with few values to a coordinate some would be.
void make_queries(const Shape& shape, std::uint64_t seed, KindData& data) {
  constexpr std::size_t kTries = 1000;
  std::unordered_set<std::string_view> rows;
  for (std::size_t i = 0; i < data.rows; ++i) rows.insert(bytes_of(data.row(i)));
  SeededRandom random(seed, kQueries), row_of_query(seed, kRowOfQuery);
  const MakeVector& make = shape.query ? shape.query : shape.row;
  for (std::size_t i = 0; i < data.queries; ++i) {
    const std::span<float> query(data.asked.data() + i * data.dim, data.dim);
    std::size_t tries = 0;
    do {
      make(random, row_of_query.below(data.rows), query);
      if (++tries > kTries)
        throw index::Error(index::ErrorCode::invalid_argument, "no query can be found that is not a row");
    } while (rows.contains(bytes_of(query)));
  }
}

}  // namespace

const std::vector<DataKind>& data_kinds() {
  static const std::vector<DataKind> kinds = {
      {"nested",
       "clusters, falling variance along the coordinates: what prefixes are made for",
       256,
       {l2, cosine},
       nested_clusters},
      {"near_duplicates",
       "12 groups, within a group 1 % of the distance between groups",
       32,
       {l2, cosine},
       near_duplicates,
       18000},
      {"noisy_copies",
       "400 rows, each as 45 copies with noise of 3 % of a coordinate's deviation",
       256,
       {l2, cosine},
       noisy_copies,
       18000},
      {"exact_copies", "every row 100 times", 32, {l2, cosine}, exact_copies},
      {"one_row_many_times", "one row in half of all places, then others", 32, {l2, cosine}, one_row_many_times},
      {"sorted_clusters", "100 clusters, written one after the other", 64, {l2, cosine}, sorted_clusters},
      {"one_large_coordinate",
       "one coordinate a thousand times the others: a timestamp, a price",
       32,
       {l2},
       one_large_coordinate},
      {"two_large_coordinates",
       "one coordinate a thousand times the others, one thirty times",
       32,
       {l2},
       two_large_coordinates},
      {"far_origin", "all rows 100 deviations from the origin in every coordinate", 32, {l2}, far_origin},
      {"very_far_origin", "all rows 10,000 deviations from the origin in every coordinate", 32, {l2}, very_far_origin},
      {"constant_prefix", "the same in all rows but for the last 32 coordinates", 288, {l2, cosine}, constant_prefix},
      {"outside_queries", "queries 10 deviations outside the rows in one coordinate", 8, {l2}, outside_queries},
      {"long_rows", "lengths lognormal over three orders of magnitude", 64, {dot, l2}, long_rows},
      {"one_endless_row", "one row of length 1e15 among ordinary ones", 32, {l2, dot}, one_endless_row},
      {"two_scales", "half of the rows a thousand times as long as the others", 32, {l2}, two_scales},
      {"tiny_scale", "ordinary rows times 1e-20", 32, {l2, cosine}, tiny_scale},
      {"huge_scale", "ordinary rows times 1e15", 32, {l2, cosine}, huge_scale},
      {"denormals",
       "a quarter of the coordinates, and all of every tenth row, too small for a float's full precision",
       32,
       {l2},
       denormals},
      {"heavy_tails", "coordinates by Student's t of two degrees of freedom", 32, {l2, cosine}, heavy_tails},
      {"flat_spectrum", "independent normal coordinates", 384, {l2, cosine}, flat_spectrum},
      {"flat_spectrum_1024", "the same, wider", 1024, {l2}, flat_spectrum, 10000},
      {"steep_spectrum", "deviations fall as (1 + j)^-1.5", 256, {l2, cosine}, steep_spectrum},
      {"informative_last",
       "deviations rise towards the last coordinate: a prefix says nothing",
       384,
       {l2, cosine},
       informative_last},
      {"low_dimension", "8 dimensions turned into 256, with noise of 5 %", 256, {l2, cosine}, low_dimension},
      {"one_dimension", "one coordinate, written in its order", 1, {l2}, one_dimension},
      {"line", "points of a line in many dimensions", 64, {l2}, line},
      {"sorted_line", "the same, written from end to end", 64, {l2}, sorted_line},
      {"sphere", "uniform on the sphere", 64, {l2, cosine}, sphere},
      {"sparse", "95 % zeros, anywhere", 512, {cosine, l2}, sparse},
      {"sparse_words", "95 % zeros, popular coordinates and rare ones", 512, {cosine, l2}, sparse_words},
      {"one_hot", "a one and zeros: few different rows, all equally far from each other", 256, {l2, cosine}, one_hot},
      {"one_hot_weighted", "one coordinate that is not zero, lognormal", 256, {l2}, one_hot_weighted},
      {"plus_minus_one", "signs of 16 hidden dimensions", 256, {l2, cosine}, plus_minus_one},
      {"counts", "Poisson counts, means lognormal by row and coordinate", 64, {l2, cosine}, counts},
  };
  return kinds;
}

const DataKind& data_kind(std::string_view name) {
  std::string known;
  for (const DataKind& kind : data_kinds()) {
    if (kind.name == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw index::Error(index::ErrorCode::not_found, "no kind of data is named '" + std::string(name) + "': " + known);
}

KindData make_data(const DataKind& kind, const KindRequest& request) {
  KindData data;
  data.rows = request.rows != 0 ? request.rows : kind.rows;
  data.dim = request.dim != 0 ? request.dim : kind.dim;
  data.queries = request.queries;
  if (request.bases.size() % data.dim != 0)
    throw index::Error(index::ErrorCode::invalid_argument, std::to_string(request.bases.size()) +
                                                               " values to copy are no rows of " +
                                                               std::to_string(data.dim) + " coordinates");
  SeededRandom shared(request.seed, kShared), random(request.seed, kRows);
  const Shape shape = kind.make({data.rows, data.dim, request.bases}, shared);
  data.base.resize(data.rows * data.dim);
  data.asked.resize(data.queries * data.dim);
  for (std::size_t i = 0; i < data.rows; ++i) shape.row(random, i, {data.base.data() + i * data.dim, data.dim});
  make_queries(shape, request.seed, data);
  return data;
}

}  // namespace nestor::tests
