#include "server/search_params.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/fields.h"
#include "server/json_writer.h"
#include "server/protocol.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

constexpr std::uint64_t kMaxUint32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kMaxStages = index::kMaxWidths;
constexpr double kMaxOversampling = 1000;

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
  search.exact_distances = bool_field(ladder, "exact_distances").value_or(search.exact_distances);
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

// What the dialect says of codes, as it applies to ours: the best candidates are always compared by their rows as well.
void read_quantization(const JsonValue& params, index::SearchOptions& search) {
  const auto codes = field(params, "quantization");
  if (!codes) return;
  allow_fields(*codes, "quantization", {"ignore", "rescore", "oversampling"});
  if (bool_field(*codes, "ignore").value_or(false)) search.exact = true;  // only a scan does without codes
  search.exact_distances = bool_field(*codes, "rescore").value_or(true);
  const auto oversampling = number_field(*codes, "oversampling");
  if (!oversampling) return;
  if (!(*oversampling >= 1 && *oversampling <= kMaxOversampling))
    validation_error("params.quantization.oversampling", "must be from 1 to 1000");
  if (!search.candidates_to_explore) return;  // otherwise as many are ranked as it takes
  const double wanted = std::ceil(*oversampling * search.k);
  search.candidates_to_explore =
      std::max(*search.candidates_to_explore, static_cast<std::uint32_t>(std::min<double>(wanted, kMaxUint32)));
}

// Hints that ask for less than what is done: rows that no graph holds yet are scanned, few as they are, and a walk under
// a filter is planned so that it finds what it should. Their form is checked.
void check_hints(const JsonValue& params) {
  bool_field(params, "indexed_only");
  const auto acorn = field(params, "acorn");
  if (!acorn) return;
  allow_fields(*acorn, "acorn", {"enable", "max_selectivity"});
  bool_field(*acorn, "enable");
  if (const auto share = number_field(*acorn, "max_selectivity"); share && !(*share >= 0 && *share <= 1))
    validation_error("params.acorn.max_selectivity", "must be from 0.0 to 1.0");
}

}  // namespace

void read_search_params(const JsonValue& request, index::SearchOptions& search) {
  const auto params = field(request, "params");
  if (!params) return;
  allow_fields(*params, "params", {"hnsw_ef", "exact", "quantization", "indexed_only", "acorn", "matryoshka"});
  if (const auto ef = field(*params, "hnsw_ef"))
    search.candidates_to_explore = static_cast<std::uint32_t>(integer_value(*ef, "params.hnsw_ef", {1, kMaxUint32}));
  search.exact = bool_field(*params, "exact").value_or(false);
  read_quantization(*params, search);
  check_hints(*params);
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
