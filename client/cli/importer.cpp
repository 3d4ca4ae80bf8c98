#include "client/cli/importer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "client/cli/progress.h"
#include "client/cli/text.h"
#include "index/error.h"

namespace nestor::client {

using index::CollectionOptions;
using index::Error;
using index::ErrorCode;

namespace {

constexpr std::size_t kBatchFloats = 1u << 21;  // 8 MB: large enough that one sync per batch does not show
constexpr float kLargestHalf = 65504.0f;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

std::size_t batch_rows(std::uint32_t dim) { return std::clamp<std::size_t>(kBatchFloats / dim, 16, 8192); }

void apply(const CollectionChoices& choices, CollectionOptions& options) {
  if (!choices.widths.empty()) options.widths = parse_widths("--widths", choices.widths);
  if (!choices.graphs.empty()) options.graphs = parse_widths("--graphs", choices.graphs);
  if (choices.metric) options.metric = index::parse_metric(*choices.metric);
  if (choices.rotation) options.rotation = index::parse_rotation(*choices.rotation);
  if (choices.scalar_type) options.scalar_type = index::parse_scalar_type(*choices.scalar_type);
  if (choices.max_links) options.graph.max_links = *choices.max_links;
  if (choices.candidates_at_build) options.graph.candidates_at_build = *choices.candidates_at_build;
}

// One pass without branches inside, so that the compiler can vectorise it; false for NaN as well.
bool all_within(std::span<const float> numbers, float limit) {
  bool good = true;
  for (const float number : numbers) good &= std::fabs(number) <= limit;
  return good;
}

void refuse_coordinate(const std::string& path, std::uint64_t row, std::span<const float> vector, float limit) {
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (std::fabs(vector[i]) <= limit) continue;
    const std::string where = path + ": row " + std::to_string(row) + ", coordinate " + std::to_string(i) + " is ";
    if (std::isnan(vector[i])) refuse(where + "NaN");
    if (std::isinf(vector[i])) refuse(where + "infinite");
    refuse(where + std::to_string(vector[i]) + ", too large for float16 (at most 65504); use --scalar-type float32");
  }
}

void check_vector(const std::string& path, std::uint64_t row, std::span<const float> vector,
                  const CollectionOptions& options) {
  const bool half = options.scalar_type == index::ScalarType::float16;
  // Unit vectors fit float16 whatever their length was before.
  const float limit =
      half && options.metric != index::Metric::cosine ? kLargestHalf : std::numeric_limits<float>::max();
  if (!all_within(vector, limit)) refuse_coordinate(path, row, vector, limit);
  if (options.metric == index::Metric::cosine &&
      std::all_of(vector.begin(), vector.end(), [](float x) { return x == 0; })) {
    refuse(path + ": row " + std::to_string(row) + " is a zero vector, which has no direction for the cosine metric");
  }
}

void check_value(const std::string& path, std::uint64_t row, std::int64_t value) {
  if (value >= 0 && value <= std::numeric_limits<std::uint32_t>::max()) return;
  refuse(path + ": row " + std::to_string(row) + " holds " + std::to_string(value) + "; a token id is 0 to 4294967295");
}

}  // namespace

// Some rows in a row, and the values that go with them.
struct Importer::Batch {
  std::uint64_t first = 0;
  std::size_t rows = 0;
  std::vector<float> vectors;
  std::vector<std::int64_t> values;
};

Importer::Importer(const std::string& keys, const std::string& values) : keys_(storage::open_vector_source(keys)) {
  if (keys_->rows() >= index::kNoSlot) {
    throw Error(ErrorCode::resource_exhausted, keys + " has " + std::to_string(keys_->rows()) +
                                                   " rows; a collection takes at most " +
                                                   std::to_string(index::kNoSlot - 1));
  }
  if (values.empty()) return;
  values_ = storage::open_value_source(values);
  if (values_->columns() != 1) {
    refuse(values + ": rows of " + std::to_string(values_->columns()) + " numbers; expected one value per key");
  }
  if (values_->rows() != keys_->rows()) {
    refuse(values + " has " + std::to_string(values_->rows()) + " values, but " + keys + " has " +
           std::to_string(keys_->rows()) + " rows; expected one value per row");
  }
}

CollectionOptions Importer::options_for(const CollectionChoices& choices) const {
  CollectionOptions options;
  options.dim = keys_->dim();
  if (storage::fits_float16(keys_->kind())) options.scalar_type = index::ScalarType::float16;
  apply(choices, options);
  return options.validated();
}

std::string Importer::attributes() const {
  const nlohmann::json import = {{"rows", keys_->rows()},
                                 {"dim", keys_->dim()},
                                 {"kind", storage::to_string(keys_->kind())},
                                 {"values", values_ != nullptr}};
  return nlohmann::json{{"import", import}}.dump();
}

std::uint64_t Importer::resume_at(const index::Collection& collection, const CollectionChoices& choices,
                                  const std::string& attributes_of_collection) {
  const std::string cannot = "cannot resume \"" + collection.name() + "\": ";
  const auto kept = nlohmann::json::parse(attributes_of_collection, nullptr, false);
  if (!kept.is_object() || !kept.contains("import")) {
    throw Error(ErrorCode::failed_precondition, cannot + "it was not made by nestor build");
  }
  const auto own = nlohmann::json::parse(attributes());
  if (kept["import"] != own["import"]) {
    throw Error(ErrorCode::failed_precondition, cannot + "it was begun with another file " + kept["import"].dump() +
                                                    ", this one is " + own["import"].dump());
  }
  CollectionOptions wanted = collection.options();
  apply(choices, wanted);
  // Widths repeated on the command line must not be held against graphs that were not.
  if (choices.graphs.empty()) wanted.graphs.clear();
  wanted = wanted.validated();
  if (choices.graphs.empty()) wanted.graphs = collection.options().graphs;
  if (wanted != collection.options()) {
    throw Error(ErrorCode::failed_precondition,
                cannot + "it was begun with other options; leave them out or see `nestor info`");
  }
  const std::uint64_t rows = collection.count();
  const auto has = [&](std::uint64_t row) {
    return collection.get(index::PointId::number(row), false, false).has_value();
  };
  if (rows > keys_->rows() || (rows > 0 && (!has(rows - 1) || has(rows)))) {
    throw Error(ErrorCode::failed_precondition, cannot + "it was changed since its import");
  }
  if (rows > 0) check_last_row(collection, rows - 1);
  return rows;
}

// The last row that was written is the file's row: another file of the same shape is told apart.
void Importer::check_last_row(const index::Collection& collection, std::uint64_t row) {
  std::vector<float> wanted;
  keys_->seek(row);
  keys_->read_rows(1, wanted);
  const auto record = collection.get(index::PointId::number(row), true, false);
  double norm = 1;
  if (collection.options().metric == index::Metric::cosine) {
    norm = 0;
    for (const float x : wanted) norm += static_cast<double>(x) * x;
    norm = norm > 0 ? std::sqrt(norm) : 1;
  }
  for (std::size_t i = 0; record && i < wanted.size(); ++i) {
    const double expected = wanted[i] / norm;
    // Rounding to float16 moves a number by at most 2^-11 of itself.
    if (std::fabs(record->vector[i] - expected) <= 1e-3 * std::fabs(expected) + 1e-6) continue;
    throw Error(ErrorCode::failed_precondition, "cannot resume \"" + collection.name() + "\": row " +
                                                    std::to_string(row) + " of " + keys_->path() +
                                                    " is not the one that was imported");
  }
}

void Importer::start(std::uint64_t row) {
  keys_->seek(row);
  if (values_) values_->seek(row);
}

bool Importer::next(Batch& batch) {
  batch.first += batch.rows;
  batch.rows = keys_->read_rows(batch_rows(keys_->dim()), batch.vectors);
  if (values_ && batch.rows > 0) values_->read_rows(batch.rows, batch.values);
  return batch.rows > 0;
}

void Importer::check_rows(std::uint64_t first, const CollectionOptions& options) {
  Progress progress("checking rows", first, rows());
  const std::uint32_t dim = keys_->dim();
  Batch batch{first, 0, {}, {}};
  start(first);
  while (next(batch)) {
    for (std::size_t i = 0; i < batch.rows; ++i) {
      check_vector(keys_->path(), batch.first + i, std::span(batch.vectors).subspan(i * dim, dim), options);
      if (values_) check_value(values_->path(), batch.first + i, batch.values[i]);
    }
    progress.update(batch.first + batch.rows);
  }
  progress.finish();
}

void Importer::write_rows(std::uint64_t first, index::Collection& collection) {
  Progress progress("importing rows", first, rows());
  const std::uint32_t dim = keys_->dim();
  Batch batch{first, 0, {}, {}};
  std::vector<index::Point> points;
  std::vector<std::string> payloads;
  start(first);
  while (next(batch)) {
    points.assign(batch.rows, {});
    payloads.assign(values_ ? batch.rows : 0, {});
    for (std::size_t i = 0; i < batch.rows; ++i) {
      points[i].id = index::PointId::number(batch.first + i);
      points[i].vector = std::span(batch.vectors).subspan(i * dim, dim);
      if (!values_) continue;
      check_value(values_->path(), batch.first + i, batch.values[i]);
      points[i].value = static_cast<std::uint32_t>(batch.values[i]);
      payloads[i] = "{\"token\":" + std::to_string(batch.values[i]) + "}";
      points[i].payload = payloads[i];
    }
    collection.upsert(points);
    progress.update(batch.first + batch.rows);
  }
  progress.finish();
}

}  // namespace nestor::client
