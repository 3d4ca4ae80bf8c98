#include "server/collection_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "index/utf8.h"
#include "server/collection_settings.h"
#include "server/fields.h"
#include "server/json_view.h"
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
  if (!index::is_utf8(name)) return "a name of a " + noun + " is UTF-8, and these bytes are not";
  if (name == "." || name == "..") return "`.` and `..` are places in a path, not names of a " + noun;
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

void read_hnsw(const JsonValue& object, const std::string& where, index::GraphParameters& graph) {
  const auto config = field(object, "hnsw_config");
  if (!config) return;
  const std::string name = where + "hnsw_config";
  if (const auto m = field(*config, "m"))
    graph.max_links = static_cast<std::uint32_t>(integer_value(*m, name + ".m", {2, 256}));
  if (const auto ef = field(*config, "ef_construct"))
    graph.candidates_at_build = static_cast<std::uint32_t>(integer_value(*ef, name + ".ef_construct", {4, 10'000}));
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
  allow_fields(parameters, "vectors",
               {"size", "distance", "datatype", "matryoshka", "hnsw_config", "quantization_config", "on_disk", "memory",
                "multivector_config"});
  check_hnsw_config(parameters, "vectors.");
  check_quantization_config(parameters, "vectors.");
  bool_field(parameters, "on_disk");
  options.dim = static_cast<std::uint32_t>(
      integer_value(required_field(parameters, "size"), "vectors.size", {1, index::kMaxDim}));
  options.metric = read_distance(required_field(parameters, "distance"));
  if (const auto type = string_field(parameters, "datatype")) {
    if (*type != "float32" && *type != "float16")
      not_supported("datatype `" + *type + "` (Nestor has float32, float16)");
    options.scalar_type = index::parse_scalar_type(*type);
  }
  if (field(parameters, "multivector_config")) not_supported("`multivector_config`");
  read_hnsw(parameters, "vectors.", options.graph);
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
  check_creation_settings(root);
  const NamedParameters vector = single_vector(required_field(root, "vectors"));

  Creation creation;
  read_hnsw(root, "", creation.options.graph);
  read_vector_parameters(vector.parameters, creation.options);
  creation.options = creation.options.validated();
  json attributes;
  attributes["vector_name"] = vector.name;
  attributes["create"] = json::parse(body);
  creation.attributes = attributes.dump();
  return creation;
}

}  // namespace nestor::server
