#include "server/collection_info.h"

#include <algorithm>

#include "server/collection_settings.h"
#include "server/payload_terms.h"

namespace nestor::server {
namespace {

using nlohmann::json;

std::string_view distance_word(index::Metric metric) {
  switch (metric) {
    case index::Metric::cosine: return "Cosine";
    case index::Metric::l2: return "Euclid";
    case index::Metric::dot: return "Dot";
  }
  return "Cosine";
}

// Null when the collection was not created over HTTP.
json creation_of(const std::string& attributes) {
  const json tree = json::parse(attributes, nullptr, false);
  return tree.is_object() ? tree.value("create", json()) : json();
}

json object_at(const json& tree, const std::string& name) {
  json found = tree.is_object() ? tree.value(name, json()) : json();
  return found.is_object() ? found : json::object();
}

// The creation's own words, as far as they are the dialect's; what the options say goes over them.
json vector_parameters(const index::CollectionOptions& options, const json& given) {
  json shown = json::object();
  for (const char* name : {"on_disk", "memory", "hnsw_config", "quantization_config"})
    if (const auto value = given.find(name); value != given.end() && !value->is_null()) shown[name] = *value;
  shown["size"] = options.dim;
  shown["distance"] = distance_word(options.metric);
  if (options.scalar_type != index::ScalarType::float32 || given.contains("datatype"))
    shown["datatype"] = index::to_string(options.scalar_type);
  return shown;
}

json ladder(const index::CollectionOptions& options) {
  json shown = {
      {"widths", options.widths}, {"graphs", options.graphs}, {"rotation", index::to_string(options.rotation)}};
  if (options.sync != index::SyncPolicy::every_write) shown["sync"] = index::to_string(options.sync);
  if (options.walk_codes != index::WalkCodes::automatic) shown["walk_codes"] = index::to_string(options.walk_codes);
  return shown;
}

// Of the collection as a whole: the vector's own parameters are shown with it.
json hnsw_config(const index::CollectionOptions& options, const json& creation, const json& of_vector) {
  const json own = object_at(of_vector, "hnsw_config"), given = object_at(creation, "hnsw_config");
  const index::GraphParameters defaults;
  json shown = {
      {"m", own.contains("m") ? defaults.max_links : options.graph.max_links},
      {"ef_construct", own.contains("ef_construct") ? defaults.candidates_at_build : options.graph.candidates_at_build},
      {"full_scan_threshold", 10000},
      {"max_indexing_threads", 0},
      {"on_disk", false}};
  show_given(shown, given);
  return shown;
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

// What searches that set nothing find, as it was measured.
json recall_of(const index::RecallReport& recall) {
  json out = {{"recall_reached", recall.reached}, {"search_by", recall.scans ? "scan" : "walk"}, {"choice", recall.choice}};
  if (!recall.remedy.empty()) out["remedy"] = recall.remedy;
  if (recall.wanted == 0) return out;  // nothing was measured
  out["wanted_recall"] = recall.wanted;
  out["measured_recall"] = recall.measured;
  out["measured_recall_interval"] = {recall.low, recall.high};
  out["questions"] = recall.questions;
  out["asked"] = recall.asked_queries ? "queries" : "rows";
  return out;
}

json warnings(const json& creation) {
  json out = json::array();
  for (const std::string& text : settings_without_effect(creation)) out.push_back({{"message", text}});
  return out;
}

}  // namespace

Schema schema_from_attributes(const std::string& attributes) {
  const json tree = json::parse(attributes, nullptr, false);
  const json name = tree.is_object() ? tree.value("vector_name", json()) : json();
  return Schema{name.is_string() ? name.get<std::string>() : ""};
}

json collection_config(const index::CollectionOptions& options, const std::string& attributes) {
  const std::string name = schema_from_attributes(attributes).vector_name;
  const json creation = creation_of(attributes);
  json of_vector = object_at(creation, "vectors");
  if (!name.empty()) of_vector = object_at(of_vector, name);
  json vectors = vector_parameters(options, of_vector);
  if (!name.empty()) vectors = json{{name, std::move(vectors)}};

  json config;
  json& params = config["params"];
  params = {{"vectors", std::move(vectors)}, {"matryoshka", ladder(options)}, {"shard_number", 1},
            {"replication_factor", 1},       {"write_consistency_factor", 1}, {"on_disk_payload", true}};
  for (const char* field : {"shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload"})
    if (creation.is_object() && creation.contains(field) && !creation[field].is_null()) params[field] = creation[field];
  config["hnsw_config"] = hnsw_config(options, creation, of_vector);
  // The dialect wants these fields; Nestor has few of them, so they hold its neutral values unless others were given.
  config["optimizer_config"] = {{"deleted_threshold", 0.2},    {"vacuum_min_vector_number", 1000},
                                {"default_segment_number", 0}, {"max_segment_size", nullptr},
                                {"memmap_threshold", nullptr}, {"indexing_threshold", 10000},
                                {"flush_interval_sec", 5},     {"max_optimization_threads", nullptr}};
  show_given(config["optimizer_config"], object_at(creation, "optimizers_config"));
  config["wal_config"] = {{"wal_capacity_mb", 32}, {"wal_segments_ahead", 0}};
  show_given(config["wal_config"], object_at(creation, "wal_config"));
  const json quantization = object_at(creation, "quantization_config");
  config["quantization_config"] = quantization.empty() ? json() : quantization;
  config["strict_mode_config"] = {{"enabled", false}};
  if (const json metadata = object_at(creation, "metadata"); !metadata.empty()) config["metadata"] = metadata;
  return config;
}

std::string info_json(const OpenCollection& target, const std::string& attributes) {
  const index::Collection& collection = *target.collection;
  const index::CollectionInfo info = collection.info();
  const json creation = creation_of(attributes);
  // Yellow while a build runs or is due. Rows that stay in the tail because they are few, are searched
  // exactly and do not count: clients wait for green.
  const bool busy = info.building || (collection.wants_build() && may_build(creation, collection));
  const int segments = (info.generation_sequence > 0) + (info.tail_rows > 0);
  json out;
  const std::string& trouble = info.read_only_because;
  out["status"] = busy || !trouble.empty() ? "yellow" : "green";
  if (trouble.empty() && !info.recall.reached)
    out["optimizer_status"]["error"] = info.recall.choice + "; what helps: " + info.recall.remedy;
  else if (trouble.empty())
    out["optimizer_status"] = "ok";
  else
    out["optimizer_status"]["error"] = "read-only for now: " + trouble;
  if (json told = warnings(creation); !told.empty()) out["warnings"] = std::move(told);
  out["indexed_vectors_count"] = info.indexed_points;
  out["points_count"] = info.points;
  out["segments_count"] = std::max(segments, 1);
  out["config"] = collection_config(info.options, attributes);
  out["config"]["recall"] = recall_of(info.recall);
  out["payload_schema"] = echo_indexes(target);
  return out.dump();
}

}  // namespace nestor::server
