#include "server/collection_settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/fields.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

using nlohmann::json;

// What can be said without meaning anything here, and the value that asks for nothing.
struct Meaningless {
  std::string_view path;
  json neutral;
};

const std::vector<Meaningless>& meaningless() {
  static const std::vector<Meaningless> all = {{"shard_number", 1},
                                               {"replication_factor", 1},
                                               {"write_consistency_factor", 1},
                                               {"on_disk_payload", true},
                                               {"payload/memory", nullptr},
                                               {"hnsw_config/full_scan_threshold", 10000},
                                               {"hnsw_config/max_indexing_threads", 0},
                                               {"hnsw_config/on_disk", false},
                                               {"hnsw_config/payload_m", nullptr},
                                               {"hnsw_config/inline_storage", false},
                                               {"hnsw_config/memory", nullptr},
                                               {"optimizers_config/deleted_threshold", 0.2},
                                               {"optimizers_config/vacuum_min_vector_number", 1000},
                                               {"optimizers_config/default_segment_number", 0},
                                               {"optimizers_config/max_segment_size", nullptr},
                                               {"optimizers_config/memmap_threshold", nullptr},
                                               {"optimizers_config/flush_interval_sec", 5},
                                               {"optimizers_config/max_optimization_threads", nullptr},
                                               {"optimizers_config/prevent_unoptimized", false},
                                               {"wal_config/wal_capacity_mb", 32},
                                               {"wal_config/wal_segments_ahead", 0},
                                               {"wal_config/wal_retain_closed", 1},
                                               {"quantization_config/scalar/quantile", nullptr},
                                               {"quantization_config/scalar/memory", nullptr},
                                               {"vectors/memory", nullptr}};
  return all;
}

std::string dotted(std::string_view path) {
  std::string out(path);
  for (char& c : out)
    if (c == '/') c = '.';
  return out;
}

json at(const json& tree, std::string_view path) {
  const json::json_pointer pointer("/" + std::string(path));
  return tree.contains(pointer) ? tree.at(pointer) : json();
}

void expect_object_field(const JsonValue& body, std::string_view name, std::initializer_list<std::string_view> fields) {
  if (const auto value = field(body, name)) allow_fields(*value, name, fields);
}

void check_optimizers(const JsonValue& body) {
  const auto config = field(body, "optimizers_config");
  if (!config) return;
  allow_fields(*config, "optimizers_config",
               {"deleted_threshold", "vacuum_min_vector_number", "default_segment_number", "max_segment_size",
                "memmap_threshold", "indexing_threshold", "flush_interval_sec", "max_optimization_threads",
                "prevent_unoptimized"});
  if (const auto share = number_field(*config, "deleted_threshold"); share && !(*share >= 0 && *share <= 1))
    validation_error("optimizers_config.deleted_threshold", "must be from 0 to 1");
  if (const auto least = field(*config, "vacuum_min_vector_number"))
    integer_value(*least, "optimizers_config.vacuum_min_vector_number", {.low = 100});
  for (const std::string_view name :
       {"default_segment_number", "max_segment_size", "memmap_threshold", "indexing_threshold", "flush_interval_sec"})
    if (const auto value = field(*config, name)) integer_value(*value, "optimizers_config." + std::string(name));
}

void check_strict_mode(const JsonValue& body) {
  const auto config = field(body, "strict_mode_config");
  if (!config) return;
  expect_object(*config, "strict_mode_config");
  for (const auto& [name, value] : config->members())
    if (!value.is_null() && !(name == "enabled" && value.as_bool() == false))
      not_supported("`strict_mode_config." + name + "`");
}

// A change may repeat what is.
void refuse_other_values(const json& wanted, const json& shown, const std::string& path) {
  if (wanted.is_null()) return;
  if (!wanted.is_object()) {
    if (wanted == shown) return;
    bad_request("`" + path + "` of a collection that exists cannot change: it is " + shown.dump() + ", " +
                wanted.dump() + " would have no effect");
  }
  for (const auto& [name, value] : wanted.items())
    refuse_other_values(value, shown.is_object() ? shown.value(name, json()) : json(), path + "." + name);
}

void set_indexing_threshold(json& creation, json& optimizers) {
  const auto threshold = optimizers.find("indexing_threshold");
  if (threshold == optimizers.end() || threshold->is_null()) return;
  if (!threshold->is_number_unsigned())
    format_error("invalid type: " + threshold->dump() + ", expected an unsigned integer for `indexing_threshold`");
  json& kept = creation["optimizers_config"];
  if (!kept.is_object()) kept = json::object();
  kept["indexing_threshold"] = *threshold;
  optimizers.erase(threshold);
}

// Codes are there whether they are asked for or not; to ask for them later is to be told that they are.
bool asks_for_codes(const std::string& name, const json& value) {
  if (name != "quantization_config" || !value.is_object() || value.size() != 1 || !value.contains("scalar"))
    return false;
  const json& scalar = value["scalar"];
  return scalar.is_object() && scalar.value("type", json()) == "int8" &&
         scalar.size() == (scalar.contains("always_ram") ? 2u : 1u);
}

void merge_metadata(json& creation, const json& metadata) {
  if (metadata.is_null()) return;
  if (!metadata.is_object()) format_error("invalid type: " + metadata.dump() + ", expected an object for `metadata`");
  json& kept = creation["metadata"];
  if (!kept.is_object()) kept = json::object();
  for (const auto& [key, value] : metadata.items()) {
    if (value.is_null())
      kept.erase(key);
    else
      kept[key] = value;
  }
}

}  // namespace

void check_hnsw_config(const JsonValue& object, const std::string& where) {
  const auto config = field(object, "hnsw_config");
  if (!config) return;
  const std::string name = where + "hnsw_config";
  allow_fields(*config, name,
               {"m", "ef_construct", "full_scan_threshold", "max_indexing_threads", "on_disk", "payload_m",
                "inline_storage", "memory", "copy_vectors"});
  if (const auto threshold = field(*config, "full_scan_threshold"))
    integer_value(*threshold, name + ".full_scan_threshold", {.low = 10});
  bool_field(*config, "on_disk");
}

// Codes of all vectors, 7 bits a coordinate, are what every walk goes by: `scalar` is what there is.
void check_quantization_config(const JsonValue& object, const std::string& where) {
  const auto config = field(object, "quantization_config");
  if (!config) return;
  const std::string name = where + "quantization_config";
  expect_object(*config, name);
  for (const auto& [kind, value] : config->members())
    if (kind != "scalar") not_supported("`" + name + "." + kind + "` (Nestor's codes are those of `scalar`)");
  const JsonValue scalar = required_field(*config, "scalar");
  allow_fields(scalar, name + ".scalar", {"type", "quantile", "always_ram", "memory"});
  required_field(scalar, "type");
  if (const auto type = *string_field(scalar, "type"); type != "int8")
    format_error("unknown variant `" + type + "` for `type`, expected `int8`");
  if (const auto quantile = number_field(scalar, "quantile"); quantile && !(*quantile >= 0.5 && *quantile <= 1))
    validation_error(name + ".scalar.quantile", "must be from 0.5 to 1.0");
  bool_field(scalar, "always_ram");
}

void check_creation_settings(const JsonValue& body) {
  allow_fields(body, "body",
               {"vectors", "hnsw_config", "optimizers_config", "wal_config", "quantization_config", "sparse_vectors",
                "shard_number", "sharding_method", "replication_factor", "write_consistency_factor", "on_disk_payload",
                "payload", "strict_mode_config", "metadata", "init_from", "timeout"});
  const auto sparse = field(body, "sparse_vectors");
  if (sparse && sparse->size() > 0) not_supported("`sparse_vectors`");
  refuse_fields(body, {"init_from"});
  if (const auto method = string_field(body, "sharding_method"); method && *method != "auto")
    not_supported("`sharding_method` `" + *method + "`");
  for (const std::string_view name : {"shard_number", "replication_factor", "write_consistency_factor"})
    integer_field(body, name, {.low = 1});
  bool_field(body, "on_disk_payload");
  check_hnsw_config(body, "");
  check_quantization_config(body, "");
  check_optimizers(body);
  check_strict_mode(body);
  expect_object_field(body, "wal_config", {"wal_capacity_mb", "wal_segments_ahead", "wal_retain_closed"});
  expect_object_field(body, "payload", {"memory"});
  if (const auto metadata = field(body, "metadata")) expect_object(*metadata, "metadata");
}

json changed_settings(json creation, const json& change, const json& shown) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kFixed = {
      {{"vectors", "params/vectors"},
       {"params", "params"},
       {"hnsw_config", "hnsw_config"},
       {"optimizers_config", "optimizer_config"},
       {"quantization_config", "quantization_config"},
       {"strict_mode_config", "strict_mode_config"}}};
  for (const auto& [name, value] : change.items()) {
    if (value.is_null() || name == "metadata" || name == "timeout") continue;
    if (name == "sparse_vectors" && value.is_object() && value.empty()) continue;
    if (asks_for_codes(name, value)) {
      creation["quantization_config"] = value;
      continue;
    }
    const std::string& own = name;
    const auto fixed = std::find_if(kFixed.begin(), kFixed.end(), [&](const auto& each) { return each.first == own; });
    if (fixed == kFixed.end()) bad_request("`" + name + "` of a collection that exists cannot change");
    json rest = value;
    if (name == "optimizers_config" && rest.is_object()) set_indexing_threshold(creation, rest);
    // The unnamed vector goes by the name "".
    if (name == "vectors" && rest.is_object() && rest.size() == 1 && rest.contains("")) rest = json(rest[""]);
    refuse_other_values(rest, at(shown, fixed->second), std::string(name));
  }
  merge_metadata(creation, change.value("metadata", json()));
  return creation;
}

void show_given(json& shown, const json& given) {
  if (!given.is_object()) return;
  for (const auto& [name, value] : given.items())
    if (!value.is_null()) shown[name] = value;
}

std::vector<std::string> settings_without_effect(const json& creation) {
  std::vector<std::string> out;
  for (const Meaningless& each : meaningless()) {
    const json given = at(creation, each.path);
    if (!given.is_null() && given != each.neutral) out.push_back("`" + dotted(each.path) + "` has no effect");
  }
  return out;
}

bool may_build(const json& creation, const index::Collection& collection) {
  const json threshold = at(creation, "optimizers_config/indexing_threshold");
  if (!threshold.is_number_unsigned()) return true;
  const auto kib = threshold.get<std::uint64_t>();
  const std::uint64_t bytes = collection.count() * collection.options().dim * sizeof(float);
  return kib != 0 && bytes / 1024 > kib;
}

bool may_build(const std::string& attributes, const index::Collection& collection) {
  if (attributes.find("indexing_threshold") == std::string::npos) return true;  // hardly any collection has one
  const json tree = json::parse(attributes, nullptr, false);
  return !tree.is_object() || may_build(tree.value("create", json()), collection);
}

}  // namespace nestor::server
