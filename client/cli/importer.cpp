#include "client/cli/importer.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "client/cli/progress.h"
#include "client/cli/text.h"
#include "index/error.h"
#include "storage/datastore.h"
#include "storage/import/fingerprint.h"

namespace nestor::client {

using index::CollectionOptions;
using index::Error;
using index::ErrorCode;

namespace {

constexpr std::size_t kBatchFloats = 1u << 21;  // 8 MB: large enough that one sync per batch does not show
[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

std::size_t batch_rows(std::uint32_t dim) { return std::clamp<std::size_t>(kBatchFloats / dim, 16, 8192); }

void apply(const CollectionChoices& choices, CollectionOptions& options) {
  if (!choices.widths.empty()) options.widths = parse_widths("--widths", choices.widths);
  if (!choices.graphs.empty()) options.graphs = parse_widths("--graphs", choices.graphs);
  if (choices.metric) options.metric = index::parse_metric(*choices.metric);
  if (choices.rotation) options.rotation = index::parse_rotation(*choices.rotation);
  if (choices.scalar_type) options.scalar_type = index::parse_scalar_type(*choices.scalar_type);
  if (choices.walk_codes) options.walk_codes = index::parse_walk_codes(*choices.walk_codes);
  if (choices.max_links) options.graph.max_links = *choices.max_links;
  if (choices.candidates_at_build) options.graph.candidates_at_build = *choices.candidates_at_build;
}

std::string payload_of(std::optional<std::int64_t> token, std::int64_t weight, std::optional<std::int64_t> document) {
  std::string payload;
  const auto add = [&](const char* name, std::int64_t number) {
    payload += std::string(payload.empty() ? "{\"" : ",\"") + name + "\":" + std::to_string(number);
  };
  if (token) add("token", *token);
  if (weight != 1) add("weight", weight);
  if (document) add("doc_id", *document);
  return payload.empty() ? payload : payload + "}";
}

std::unique_ptr<storage::ValueSource> open_values(const std::optional<storage::DatastoreFile>& file) {
  return file ? storage::open_value_source(file->path, file->layout) : nullptr;
}

}  // namespace

// Some rows in a row, and the values that go with them.
struct Importer::Batch {
  std::uint64_t first = 0;
  std::size_t rows = 0;
  std::vector<float> vectors;
  std::vector<std::int64_t> values, weights, documents;
};

Importer::Importer(const storage::DatastoreFiles& files, ImportRules rules, Provenance provenance)
    : layout_(storage::find_datastore_layout(files)),
      rules_(std::move(rules)),
      provenance_(std::move(provenance)),
      rows_(layout_.keys.layout.rows),
      keys_(storage::open_vector_source(layout_.keys.path, layout_.keys.layout)),
      values_(open_values(layout_.values)),
      weights_(open_values(layout_.weights)),
      documents_(open_values(layout_.documents)) {
  if (rows_ >= index::kNoSlot) {
    throw Error(ErrorCode::resource_exhausted, keys_->path() + " has " + std::to_string(rows_) +
                                                   " rows; a collection takes at most " +
                                                   std::to_string(index::kNoSlot - 1));
  }
  if (values_) check_value_kind(values_->path(), values_->kind() == storage::ScalarKind::int16, rules_.vocabulary);
}

CollectionOptions Importer::options_for(const CollectionChoices& choices) const {
  CollectionOptions options;
  options.dim = keys_->dim();
  if (storage::fits_float16(keys_->kind())) options.scalar_type = index::ScalarType::float16;
  apply(choices, options);
  return options.validated();
}

std::string Importer::attributes() const {
  nlohmann::json import = {{"rows", layout_.keys.layout.rows},
                           {"dim", keys_->dim()},
                           {"kind", storage::to_string(keys_->kind())},
                           {"values", values_ != nullptr},
                           {"dialect", layout_.dialect}};
  const auto mark = [&](const char* name, const auto& source) {
    if (source) import["fingerprints"][name] = storage::fingerprint(storage::InputFile(source->path()));
  };
  mark("keys", keys_);
  mark("values", values_);
  mark("weights", weights_);
  mark("documents", documents_);
  nlohmann::json manifest = {{"import", std::move(import)}, {"datastore", {{"weights", weights_ != nullptr}}}};
  for (const auto& [name, text] : {std::pair<const char*, const std::string&>{"model", provenance_.model},
                                   {"layer", provenance_.layer},
                                   {"tokenizer", provenance_.tokenizer}})
    if (!text.empty()) manifest["provenance"][name] = text;
  if (rules_.vocabulary) manifest["provenance"]["vocabulary"] = *rules_.vocabulary;
  return manifest.dump();
}

std::uint64_t Importer::resume_at(const index::Collection& collection, const CollectionChoices& choices,
                                  const std::string& attributes_of_collection) {
  const std::string cannot = "cannot resume \"" + collection.name() + "\": ";
  const auto kept = nlohmann::json::parse(attributes_of_collection, nullptr, false);
  if (!kept.is_object() || !kept.contains("import")) {
    throw Error(ErrorCode::failed_precondition, cannot + "it was not made by nestor build");
  }
  const auto own = nlohmann::json::parse(attributes());
  // An import of an older version kept less of the files.
  bool same = kept["import"].is_object();
  if (same)
    for (const auto& [name, value] : kept["import"].items())
      same = same && own["import"].value(name, nlohmann::json()) == value;
  if (!same) {
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
  const std::uint64_t rows = storage::next_row(collection);
  const auto has = [&](std::uint64_t row) {
    return collection.get(index::PointId::number(row), false, false).has_value();
  };
  const bool complete = rules_.skip_nonfinite || collection.count() == rows;
  if (rows > keys_->rows() || !complete || (rows > 0 && (!has(rows - 1) || has(rows)))) {
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
  for (auto* source : {&values_, &weights_, &documents_})
    if (*source) (*source)->seek(row);
}

bool Importer::next(Batch& batch) {
  batch.first += batch.rows;
  const std::uint64_t left = rows_ - std::min(rows_, batch.first);
  batch.rows = keys_->read_rows(std::min<std::uint64_t>(batch_rows(keys_->dim()), left), batch.vectors);
  if (batch.rows == 0) return false;
  if (values_) values_->read_rows(batch.rows, batch.values);
  if (weights_) weights_->read_rows(batch.rows, batch.weights);
  if (documents_) documents_->read_rows(batch.rows, batch.documents);
  return true;
}

void Importer::check_rows(std::uint64_t first, const CollectionOptions& options) {
  Progress progress("checking rows", first, rows());
  const std::uint32_t dim = keys_->dim();
  RowCheck check(rules_, options, keys_->path(), values_ ? values_->path() : "");
  Batch batch{first, 0, {}, {}, {}, {}};
  start(first);
  while (next(batch)) {
    for (std::size_t i = 0; i < batch.rows; ++i) {
      const std::uint64_t row = batch.first + i;
      check.key(row, std::span(batch.vectors).subspan(i * dim, dim));
      if (values_) check.value(row, batch.values[i]);
      if (weights_) RowCheck::weight(weights_->path(), row, batch.weights[i]);
      if (documents_ && batch.documents[i] < 0)
        refuse(documents_->path() + ": row " + std::to_string(row) + " holds " + std::to_string(batch.documents[i]) +
               "; a document is a number from 0 on");
    }
    progress.update(batch.first + batch.rows);
  }
  check.finish(rows_, values_ != nullptr || layout_.known_by != "header");
  report_ = check.report();
  if (rules_.trim_zero_tail) rows_ -= report_.zero_tail;
  if (rows_ == 0) refuse(keys_->path() + " holds nothing but zeros");
  progress.finish();
}

void Importer::write_rows(std::uint64_t first, index::Collection& collection) {
  Progress progress("importing rows", first, rows());
  const std::uint32_t dim = keys_->dim();
  RowCheck check(rules_, collection.options(), keys_->path(), values_ ? values_->path() : "");
  Batch batch{first, 0, {}, {}, {}, {}};
  std::vector<index::Point> points;
  std::vector<std::string> payloads;
  start(first);
  while (next(batch)) {
    points.clear();
    payloads.assign(batch.rows, {});
    for (std::size_t i = 0; i < batch.rows; ++i) {
      const std::uint64_t row = batch.first + i;
      index::Point point;
      point.id = index::PointId::number(row);
      point.vector = std::span(batch.vectors).subspan(i * dim, dim);
      if (check.key(row, point.vector) == RowVerdict::skip) continue;
      if (values_) {
        check.value(row, batch.values[i]);
        point.value = static_cast<std::uint32_t>(batch.values[i]);
      }
      payloads[i] = payload_of(values_ ? std::optional(batch.values[i]) : std::nullopt, weights_ ? batch.weights[i] : 1,
                               documents_ ? std::optional(batch.documents[i]) : std::nullopt);
      point.payload = payloads[i];
      points.push_back(point);
    }
    collection.upsert(points);
    progress.update(batch.first + batch.rows);
  }
  progress.finish();
}

}  // namespace nestor::client
