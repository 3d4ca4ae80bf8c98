#include "bench/ann/comparison_data.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <sstream>
#include <stdexcept>

#include "bench/ann/hdf5_file.h"
#include "bench/ann/synthetic.h"
#include "bench/data_set.h"
#include "index/parallel.h"
#include "storage/import/row_layout.h"
#include "tests/support/data_kinds.h"

namespace nestor::bench::ann {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::size_t parse_count(const std::string& text, const std::string& what) {
  std::size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);  // 2e5 is welcome
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || text.empty() || value < 1)
    throw std::runtime_error(what + " '" + text + "' is not a number above 0");
  return static_cast<std::size_t>(value);
}

// Numbers of the queries to use, tuning part first.
std::vector<std::size_t> pick_queries(std::size_t available, const DataRequest& request, ComparisonData& data) {
  const std::size_t wanted = std::min(available, request.tune_queries + request.test_queries);
  data.tune = wanted * request.tune_queries / (request.tune_queries + request.test_queries);
  data.test = wanted - data.tune;
  if (data.tune == 0 || data.test == 0)
    throw std::runtime_error(data.name + " has " + std::to_string(available) +
                             " queries, too few to tune and to test on");
  std::vector<std::size_t> numbers(wanted);
  for (std::size_t i = 0; i < wanted; ++i) numbers[i] = i * available / wanted;
  // Neighbouring queries of a text are alike: without this the two parts would be two places of a book.
  std::mt19937_64 random(request.seed);
  for (std::size_t i = wanted; i > 1; --i) std::swap(numbers[i - 1], numbers[random() % i]);
  return numbers;
}

void take_queries(const std::vector<float>& all, const std::vector<std::size_t>& numbers, ComparisonData& data) {
  data.queries.reserve(numbers.size() * data.dim);
  for (const std::size_t i : numbers)
    data.queries.insert(data.queries.end(), all.begin() + static_cast<std::ptrdiff_t>(i * data.dim),
                        all.begin() + static_cast<std::ptrdiff_t>((i + 1) * data.dim));
}

template <class Integer>
void take_shipped(const std::vector<Integer>& all, std::size_t depth, const std::vector<std::size_t>& numbers,
                  ComparisonData& data) {
  for (const std::size_t i : numbers)
    if ((i + 1) * depth > all.size()) return;  // they are there for some queries only
  data.shipped_depth = depth;
  for (const std::size_t i : numbers)
    for (std::size_t j = 0; j < depth; ++j) data.shipped.push_back(static_cast<std::int32_t>(all[i * depth + j]));
}

void cut_rows(std::size_t max_rows, ComparisonData& data) {
  if (max_rows == 0 || max_rows >= data.rows) return;
  data.rows = max_rows;
  data.base.resize(data.rows * data.dim);
  data.shipped_depth = 0;  // neighbours among all rows are not those among these
  data.shipped.clear();
  data.name += "-first" + std::to_string(max_rows);
}

// Rows that are unit vectors already keep their bits.
void normalise(std::vector<float>& values, std::size_t dim, unsigned threads) {
  index::parallel_blocks(values.size() / dim, 1024, threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      float* row = values.data() + i * dim;
      double norm = 0;
      for (std::size_t j = 0; j < dim; ++j) norm += static_cast<double>(row[j]) * row[j];
      if (norm == 0 || std::abs(norm - 1) < 1e-6) continue;
      const double inverse = 1 / std::sqrt(norm);
      for (std::size_t j = 0; j < dim; ++j) row[j] = static_cast<float>(row[j] * inverse);
    }
  });
}

ComparisonData load_synthetic(const DataRequest& request) {
  const std::vector<std::string> parts = split(request.set, ':');
  if (parts.size() < 3 || parts.size() > 4)
    throw std::runtime_error("'" + request.set + "' is not synthetic:ROWS:DIM or synthetic:ROWS:DIM:CENTRES");
  ComparisonData data;
  data.rows = parse_count(parts[1], "number of rows");
  data.dim = parse_count(parts[2], "dimension");
  SyntheticShape shape{.dim = data.dim, .centres = 2000, .seed = request.seed};
  if (parts.size() == 4) shape.centres = parse_count(parts[3], "number of centres");
  data.name = "synthetic-" + std::to_string(data.rows) + "x" + std::to_string(data.dim) + "-c" +
              std::to_string(shape.centres) + "-s" + std::to_string(shape.seed);
  data.distance = Distance::angular;
  data.tune = request.tune_queries;
  data.test = request.test_queries;
  const SyntheticGenerator generator(shape);
  data.base = generator.make_all(SyntheticGenerator::Stream::base, data.rows, request.threads);
  data.queries = generator.make_all(SyntheticGenerator::Stream::queries, data.tune + data.test, request.threads);
  return data;
}

Distance distance_of(index::Metric metric) {
  if (metric == index::Metric::dot) return Distance::dot;
  return metric == index::Metric::cosine ? Distance::angular : Distance::euclidean;
}

// One of the sets that bench/data_set.h knows, by the name of its folder; nullopt: not one of them, or it is not there.
std::optional<ComparisonData> load_shared(const DataRequest& request) {
  const auto files = find_data_set(request.shared, {}, request.set);
  if (!files) return std::nullopt;
  Matrix keys = load_matrix(files->keys);
  const Matrix queries = load_matrix(files->queries);
  if (files->metric == index::Metric::cosine) drop_zero_rows(files->name, keys);
  ComparisonData data;
  data.name = request.set;
  data.distance = distance_of(files->metric);
  data.nested = request.set != "mnist-784";
  data.close_together = files->neighbours.empty();
  data.exact_in_float16 = keys.exact_in_float16;
  data.rows = keys.rows;
  data.dim = keys.dim;
  data.base = std::move(keys.values);
  const std::vector<std::size_t> numbers = pick_queries(queries.rows, request, data);
  take_queries(queries.values, numbers, data);
  if (files->neighbours.empty()) return data;
  storage::InputFile neighbours(files->neighbours.string());
  take_shipped(load_integers(files->neighbours), storage::read_layout(neighbours).columns, numbers, data);
  return data;
}

// What noisy_keys copies, as nestor_bench_kinds does.
Matrix keys_to_copy(const DataRequest& request) {
  const auto files = find_data_set(request.shared, {}, "knnlm-dickens");
  if (!files) throw std::runtime_error("kind:noisy_keys needs knnlm-dickens in " + (request.shared / "data").string());
  return load_evenly(files->keys, 400);
}

// kind:NAME or kind:NAME:ROWS, of tests/support/data_kinds.h, or noisy_keys.
ComparisonData load_kind(const DataRequest& request) {
  const std::vector<std::string> parts = split(request.set, ':');
  if (parts.size() < 2 || parts.size() > 3)
    throw std::runtime_error("'" + request.set + "' is not kind:NAME or kind:NAME:ROWS");
  const bool of_keys = parts[1] == "noisy_keys";
  const tests::DataKind& kind = tests::data_kind(of_keys ? "noisy_copies" : parts[1]);
  const Matrix keys = of_keys ? keys_to_copy(request) : Matrix{};
  tests::KindRequest wanted{.dim = keys.dim,
                            .queries = request.tune_queries + request.test_queries,
                            .seed = request.seed,
                            .bases = keys.values};
  if (parts.size() == 3) wanted.rows = parse_count(parts[2], "number of rows");
  tests::KindData made = tests::make_data(kind, wanted);
  ComparisonData data;
  data.name =
      parts[1] + "-" + std::to_string(made.rows) + "x" + std::to_string(made.dim) + "-s" + std::to_string(request.seed);
  data.distance = distance_of(kind.metrics.front());
  data.close_together = true;
  data.rows = made.rows;
  data.dim = made.dim;
  data.tune = request.tune_queries;
  data.test = request.test_queries;
  data.base = std::move(made.base);
  data.queries = std::move(made.asked);
  return data;
}

// ann-benchmarks' layout: train, test, neighbors, distances and the attribute "distance".
ComparisonData load_hdf5(const DataRequest& request) {
  const Hdf5File file = Hdf5File::open(request.set);
  const std::string distance = file.read_text_attribute("distance");
  ComparisonData data;
  data.name = std::filesystem::path(request.set).stem().string();
  if (distance == "euclidean")
    data.distance = Distance::euclidean;
  else if (distance == "angular")
    data.distance = Distance::angular;
  else
    throw std::runtime_error(request.set + ": distance '" + distance + "' is neither euclidean nor angular");
  data.nested = false;  // nobody says so, and a rotation costs little where it is not needed
  FloatTable train = file.read_floats("train");
  const FloatTable test = file.read_floats("test");
  if (train.columns != test.columns)
    throw std::runtime_error(request.set + ": rows of " + std::to_string(train.columns) + " coordinates, queries of " +
                             std::to_string(test.columns));
  data.rows = train.rows;
  data.dim = train.columns;
  data.base = std::move(train.values);
  const std::vector<std::size_t> numbers = pick_queries(test.rows, request, data);
  take_queries(test.values, numbers, data);
  if (file.has("neighbors")) {
    const IntegerTable neighbours = file.read_integers("neighbors");
    take_shipped(neighbours.values, neighbours.columns, numbers, data);
  }
  return data;
}

// By another distance than the set came with, its neighbours are others.
void compare_by(std::optional<Distance> distance, ComparisonData& data) {
  if (!distance || *distance == data.distance) return;
  data.distance = *distance;
  data.name += std::string("-") + name_of(*distance);
  data.shipped_depth = 0;
  data.shipped.clear();
}

// So that every engine sees the same unit vectors.
void make_unit_vectors(unsigned threads, ComparisonData& data) {
  if (data.distance != Distance::angular) return;
  normalise(data.base, data.dim, threads);
  normalise(data.queries, data.dim, threads);
  data.exact_in_float16 = false;
}

}  // namespace

index::Metric metric_of(Distance distance) {
  if (distance == Distance::dot) return index::Metric::dot;
  return distance == Distance::angular ? index::Metric::cosine : index::Metric::l2;
}

const char* data_set_forms() {
  return "synthetic:ROWS:DIM[:CENTRES] (nested, unit length, cosine), knnlm-dickens (L2), mnist-784 (L2), debian-lsa "
         "(cosine), cranfield (cosine), kind:NAME[:ROWS] (generated, nestor_bench_kinds --list names them), or an HDF5 "
         "file of ann-benchmarks' layout";
}

ComparisonData load_data(const DataRequest& request) {
  ComparisonData data;
  if (request.set.starts_with("synthetic:"))
    data = load_synthetic(request);
  else if (request.set.starts_with("kind:"))
    data = load_kind(request);
  else if (auto shared = load_shared(request))
    data = *std::move(shared);
  else if (std::filesystem::exists(request.set))
    data = load_hdf5(request);
  else
    throw std::runtime_error("no data set '" + request.set + "' in " + (request.shared / "data").string() + ": " +
                             data_set_forms());
  compare_by(request.distance, data);
  make_unit_vectors(request.threads, data);
  cut_rows(request.max_rows, data);
  return data;
}

}  // namespace nestor::bench::ann
