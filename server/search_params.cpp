#include "server/search_params.h"

#include <algorithm>
#include <limits>

#include "server/fields.h"
#include "server/json_writer.h"
#include "server/protocol.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

constexpr std::uint64_t kMaxUint32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kMaxStages = index::kMaxWidths;

index::Stage read_stage(const JsonValue& value) {
  allow_fields(value, "stages", {"width", "shortlist"});
  index::Stage stage;
  stage.width =
      static_cast<std::uint32_t>(integer_value(required_field(value, "width"), "stages.width", {1, index::kMaxDim}));
  stage.shortlist = static_cast<std::uint32_t>(
      integer_value(required_field(value, "shortlist"), "stages.shortlist", {1, kMaxUint32}));
  return stage;
}

void read_ladder(const JsonValue& ladder, index::SearchOptions& search) {
  allow_fields(ladder, "matryoshka",
               {"width", "stages", "explain", "target_recall", "max_latency_ms", "encoder", "distance_gap",
                "exact_distances", "query_type"});
  search.exact_distances = bool_field(ladder, "exact_distances").value_or(true);
  if (const auto gap = number_field(ladder, "distance_gap")) {
    if (!(*gap >= 0 && *gap <= 100)) validation_error("params.matryoshka.distance_gap", "must be from 0 to 100");
    search.distance_gap = static_cast<float>(*gap);
  }
  search.target_recall = number_field(ladder, "target_recall");
  search.max_latency_ms = number_field(ladder, "max_latency_ms");
  search.encoder = string_field(ladder, "encoder").value_or("");
  if (const auto width = integer_field(ladder, "width", {1, index::kMaxDim}))
    search.width = static_cast<std::uint32_t>(*width);
  search.explain = bool_field(ladder, "explain").value_or(false);
  const auto stages = field(ladder, "stages");
  if (!stages) return;
  expect_array(*stages, "stages");
  if (stages->size() > kMaxStages)
    wrong_input(std::to_string(stages->size()) + " stages given, at most " + std::to_string(kMaxStages) +
                " are allowed");
  for (const JsonValue& stage : stages->items()) search.stages.push_back(read_stage(stage));
}

}  // namespace

void read_search_params(const JsonValue& request, index::SearchOptions& search) {
  const auto params = field(request, "params");
  if (!params) return;
  expect_object(*params, "params");
  if (const auto ef = field(*params, "hnsw_ef"))
    search.candidates_to_explore = static_cast<std::uint32_t>(integer_value(*ef, "params.hnsw_ef", {1, kMaxUint32}));
  search.exact = bool_field(*params, "exact").value_or(false);
  if (const auto ladder = field(*params, "matryoshka")) read_ladder(*ladder, search);
}

void check_vector_name(const std::string& name, const Schema& schema) {
  if (name != schema.vector_name) wrong_input("Not existing vector name error: " + name);
}

JsonValue dense_vector(const JsonValue& value, const Schema& schema, std::string_view where) {
  const bool named = value.is_object() && !value.find("indices");
  if (!named) {
    if (!schema.vector_name.empty() && (value.is_array() || value.is_string()))
      wrong_input("the collection's vector is named `" + schema.vector_name + "`, send {\"" + schema.vector_name +
                  "\": [...]} in `" + std::string(where) + "`");
    return value;
  }
  const auto members = value.members();
  if (members.empty()) wrong_input("no vector in `" + std::string(where) + "`");
  for (const auto& [name, vector] : members) check_vector_name(name, schema);
  return members.back().second;
}

void check_query_length(const index::CollectionOptions& options, std::size_t length) {
  if (length == options.dim) return;
  const auto& widths = options.widths;
  if (std::find(widths.begin(), widths.end(), length) != widths.end()) return;
  if (length > options.dim || widths.size() < 2) dimension_error(options.dim, length);
  std::string known;
  for (const std::uint32_t width : widths)
    if (width < options.dim) known += (known.empty() ? "" : ", ") + std::to_string(width);
  wrong_input("Vector dimension error: expected dim: " + std::to_string(options.dim) + ", got " +
              std::to_string(length) + " (a prefix must be one of the widths " + known + ")");
}

void append_stage_reports(std::string& out, std::span<const index::StageReport> stages) {
  const auto number = [&out](std::string_view name, std::uint64_t value) {
    out += ",\"";
    out += name;
    out += "\":";
    append_unsigned(out, value);
  };
  out += '[';
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const index::StageReport& stage = stages[i];
    out += i ? ",{\"stage\":" : "{\"stage\":";
    append_string(out, stage.name);
    number("width", stage.width);
    number("candidates_in", stage.candidates_in);
    number("candidates_out", stage.candidates_out);
    number("distance_evaluations", stage.distance_evaluations);
    number("coordinates_read", stage.coordinates_read);
    out += ",\"microseconds\":";
    append_double(out, stage.microseconds);
    out += ",\"stopped_because\":";
    append_string(out, stage.stopped_because);
    out += '}';
  }
  out += ']';
}

void append_certification(std::string& out, const index::Certification& said) {
  out += said.certified ? "\"certified\":true" : "\"certified\":false";
  if (said.certificate != 0) {
    out += ",\"certificate\":";
    append_unsigned(out, said.certificate);
  }
  if (said.recall != 0) {
    out += ",\"certified_recall\":";
    append_double(out, said.recall);
  }
  out += ",\"exit_stage\":";
  append_string(out, said.exit_stage);
  if (said.note.empty()) return;
  out += ",\"note\":";
  append_string(out, said.note);
}

}  // namespace nestor::server
