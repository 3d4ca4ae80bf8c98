#include "server/collection_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/fields.h"
#include "server/json_view.h"
#include "server/payload_terms.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

using nlohmann::json;

constexpr std::string_view kForbidden = "<>:\"/\\|?*";

bool has_forbidden(std::string_view name) {
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || kForbidden.find(c) != std::string_view::npos) return true;
  return false;
}

// Empty: nothing.
std::string what_is_wrong_with(const std::string& noun, std::string_view name) {
  if (name.empty() || name.size() > 255)
    return "a name of a " + noun + " has 1 to 255 bytes, got " + std::to_string(name.size());
  if (has_forbidden(name))
    return "a name of a " + noun + " must not hold control characters or any of " + std::string(kForbidden);
  return "";
}

index::Metric read_distance(const JsonValue& value) {
  const auto word = value.as_string();
  if (!word) wrong_type(value, "distance", "a string");
  if (*word == "Cosine") return index::Metric::cosine;
  if (*word == "Euclid") return index::Metric::l2;
  if (*word == "Dot") return index::Metric::dot;
  if (*word == "Manhattan") not_supported("distance `Manhattan` (Nestor has Cosine, Euclid, Dot)");
  format_error("unknown variant " + value.describe() + " for `distance`, expected one of `Cosine`, `Euclid`, `Dot`");
}

std::string_view distance_word(index::Metric metric) {
  switch (metric) {
    case index::Metric::cosine: return "Cosine";
    case index::Metric::l2: return "Euclid";
    case index::Metric::dot: return "Dot";
  }
  return "Cosine";
}

void read_hnsw(const JsonValue& object, index::GraphParameters& graph) {
  const auto config = field(object, "hnsw_config");
  if (!config) return;
  expect_object(*config, "hnsw_config");
  if (const auto m = integer_field(*config, "m", {2, 256})) graph.max_links = static_cast<std::uint32_t>(*m);
  if (const auto ef = integer_field(*config, "ef_construct", {4, 10'000}))
    graph.candidates_at_build = static_cast<std::uint32_t>(*ef);
}

void read_matryoshka(const JsonValue& parameters, index::CollectionOptions& options) {
  const auto ladder = field(parameters, "matryoshka");
  if (!ladder) return;
  allow_fields(*ladder, "matryoshka", {"widths", "graphs", "rotation", "sync", "walk_codes"});
  if (const auto widths = field(*ladder, "widths")) options.widths = integer_list(*widths, "widths");
  if (const auto graphs = field(*ladder, "graphs")) options.graphs = integer_list(*graphs, "graphs");
  if (const auto rotation = string_field(*ladder, "rotation")) options.rotation = index::parse_rotation(*rotation);
  if (const auto codes = string_field(*ladder, "walk_codes")) options.walk_codes = index::parse_walk_codes(*codes);
  if (const auto sync = string_field(*ladder, "sync")) options.sync = index::parse_sync_policy(*sync);
}

void read_vector_parameters(const JsonValue& parameters, index::CollectionOptions& options) {
  expect_object(parameters, "vectors");
  options.dim = static_cast<std::uint32_t>(
      integer_value(required_field(parameters, "size"), "vectors.size", {1, index::kMaxDim}));
  options.metric = read_distance(required_field(parameters, "distance"));
  if (const auto type = string_field(parameters, "datatype")) {
    if (*type != "float32" && *type != "float16")
      not_supported("datatype `" + *type + "` (Nestor has float32, float16)");
    options.scalar_type = index::parse_scalar_type(*type);
  }
  if (field(parameters, "multivector_config")) not_supported("`multivector_config`");
  read_hnsw(parameters, options.graph);
  read_matryoshka(parameters, options);
}

struct NamedParameters {
  std::string name;
  JsonValue parameters;
};

// `vectors` is the parameters of the unnamed vector, or an object of named ones.
NamedParameters single_vector(const JsonValue& vectors) {
  expect_object(vectors, "vectors");
  const auto size = vectors.find("size");
  if (size && !size->is_object()) return {"", vectors};
  auto named = vectors.members();
  if (named.empty()) format_error("missing field `size` in `vectors`");
  // {"distance": "Cosine"} is not a name but parameters without their size.
  if (!named.front().second.is_object()) format_error("missing field `size` in `vectors`");
  if (named.size() > 1)
    not_supported("more than one named vector in a collection (" + std::to_string(named.size()) + " given)");
  if (named.front().first.size() > 200 || has_forbidden(named.front().first))
    validation_error("vectors", "vector name must be at most 200 bytes without any of " + std::string(kForbidden));
  return {named.front().first, named.front().second};
}

json parse_attributes(const std::string& attributes) {
  json tree = json::parse(attributes, nullptr, false);
  return tree.is_object() ? tree : json::object();
}

// The creation's own words, as far as they are still true: what the options say goes over them.
json echo_vectors(const index::CollectionOptions& options, const json& attributes, const std::string& name) {
  json parameters = json::object();
  const json create = attributes.value("create", json::object());
  if (create.is_object() && create.contains("vectors")) {
    parameters = name.empty() ? create["vectors"] : create["vectors"].value(name, json::object());
    if (!parameters.is_object()) parameters = json::object();
  }
  parameters["size"] = options.dim;
  parameters["distance"] = distance_word(options.metric);
  if (options.scalar_type != index::ScalarType::float32) parameters["datatype"] = index::to_string(options.scalar_type);
  parameters["matryoshka"] = {
      {"widths", options.widths}, {"graphs", options.graphs}, {"rotation", index::to_string(options.rotation)}};
  if (options.sync != index::SyncPolicy::every_write) parameters["matryoshka"]["sync"] = index::to_string(options.sync);
  if (options.walk_codes != index::WalkCodes::automatic)
    parameters["matryoshka"]["walk_codes"] = index::to_string(options.walk_codes);
  if (name.empty()) return parameters;
  return json{{name, std::move(parameters)}};
}

json echo_config(const index::CollectionOptions& options, const json& attributes, const std::string& name) {
  json config;
  config["params"] = {{"vectors", echo_vectors(options, attributes, name)},
                      {"shard_number", 1},
                      {"replication_factor", 1},
                      {"write_consistency_factor", 1},
                      {"on_disk_payload", true}};
  config["hnsw_config"] = {{"m", options.graph.max_links},
                           {"ef_construct", options.graph.candidates_at_build},
                           {"full_scan_threshold", 10000},
                           {"max_indexing_threads", 0}};
  // The dialect wants these fields; Nestor has no such settings, so they hold its neutral values.
  config["optimizer_config"] = {{"deleted_threshold", 0.2},    {"vacuum_min_vector_number", 1000},
                                {"default_segment_number", 0}, {"max_segment_size", nullptr},
                                {"memmap_threshold", nullptr}, {"indexing_threshold", 10000},
                                {"flush_interval_sec", 5},     {"max_optimization_threads", nullptr}};
  config["wal_config"] = {{"wal_capacity_mb", 32}, {"wal_segments_ahead", 0}};
  config["quantization_config"] = nullptr;
  const json create = attributes.value("create", json::object());
  if (create.is_object() && create.contains("metadata")) config["metadata"] = create["metadata"];
  return config;
}

// How many points an index holds is how many have a value at its key.
json echo_indexes(const OpenCollection& target) {
  json out = json::object();
  const auto terms = target.indexes->read_terms();
  for (const storage::PayloadIndex& each : terms->indexes()) {
    const auto kind = index_kind(each.definition);
    if (!kind) continue;
    json& shown = out[each.field];
    shown["data_type"] = to_string(*kind);
    if (json definition = json::parse(each.definition, nullptr, false); definition.is_object())
      shown["params"] = std::move(definition);
    std::uint64_t points = 0;
    terms->scan(each.number, kCountTerms, after(std::string(kCountTerms)), [&](std::string_view, index::Slot) {
      ++points;
      return true;
    });
    shown["points"] = points;
  }
  return out;
}

}  // namespace

void check_collection_name(std::string_view name) {
  const std::string wrong = what_is_wrong_with("collection", name);
  if (!wrong.empty()) throw HttpError(422, "Validation error in path parameters: [name: " + wrong + "]");
}

void check_alias_name(std::string_view name) {
  const std::string wrong = what_is_wrong_with("alias", name);
  if (!wrong.empty()) validation_error("alias_name", wrong);
}

Creation parse_creation(std::string_view body, const RequestLimits& limits) {
  if (body.size() > limits.creation_bytes)
    bad_request("a creation request of " + std::to_string(body.size()) + " bytes, at most " +
                std::to_string(limits.creation_bytes) + " are allowed");
  const JsonDocument document(body, limits.json_depth);
  const JsonValue root = document.root();
  expect_object(root, "body");
  const auto sparse = field(root, "sparse_vectors");
  if (sparse && sparse->size() > 0) not_supported("`sparse_vectors`");
  const NamedParameters vector = single_vector(required_field(root, "vectors"));

  Creation creation;
  read_hnsw(root, creation.options.graph);
  read_vector_parameters(vector.parameters, creation.options);
  creation.options = creation.options.validated();
  json attributes;
  attributes["vector_name"] = vector.name;
  attributes["create"] = json::parse(body);
  creation.attributes = attributes.dump();
  return creation;
}

Schema schema_from_attributes(const std::string& attributes) {
  const json tree = parse_attributes(attributes);
  const auto name = tree.find("vector_name");
  return Schema{name != tree.end() && name->is_string() ? name->get<std::string>() : ""};
}

std::string info_json(const OpenCollection& target, const std::string& attributes) {
  const index::Collection& collection = *target.collection;
  const index::CollectionInfo info = collection.info();
  const json tree = parse_attributes(attributes);
  // Yellow while a build runs or is due. Rows that stay in the tail because they are few, are searched
  // exactly and do not count: clients wait for green.
  const bool busy = info.building || collection.wants_build();
  const int segments = (info.generation_sequence > 0) + (info.tail_rows > 0);
  json out;
  const std::string& trouble = info.read_only_because;
  out["status"] = busy || !trouble.empty() ? "yellow" : "green";
  if (trouble.empty())
    out["optimizer_status"] = "ok";
  else
    out["optimizer_status"]["error"] = "read-only for now: " + trouble;
  out["indexed_vectors_count"] = info.indexed_points;
  out["points_count"] = info.points;
  out["segments_count"] = std::max(segments, 1);
  out["config"] = echo_config(info.options, tree, schema_from_attributes(attributes).vector_name);
  out["payload_schema"] = echo_indexes(target);
  return out.dump();
}

}  // namespace nestor::server
