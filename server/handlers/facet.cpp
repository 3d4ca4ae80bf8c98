// The values of a payload key and how many points have each.
#include <algorithm>
#include <unordered_map>

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/payload_terms.h"

namespace nestor::server {
namespace {

// Strings, integers and booleans count, each once a point.
using Counts = std::unordered_map<std::string, std::uint64_t>;  // by canonical_scalar()

// Where the key has an index of uuids, their spellings are one value.
bool counts_uuids(const OpenCollection& target, const FieldPath& key) {
  const auto indexes = target.indexes->payload_indexes();
  return std::any_of(indexes.begin(), indexes.end(), [&](const storage::PayloadIndex& index) {
    return index_kind(index.definition) == IndexKind::uuid && parse_field_path(index.field) == key;
  });
}

std::optional<std::string> facet_value(const JsonValue& value, bool uuids) {
  const auto id = uuids && value.is_string() ? index::PointId::parse_uuid(*value.as_string()) : std::nullopt;
  return id ? '"' + index::to_string(*id) + '"' : canonical_scalar(value);
}

Counts count_values(const OpenCollection& target, const FieldPath& key, const index::SelectedSlots* slots) {
  const bool uuids = counts_uuids(target, key);
  Counts counts;
  std::vector<std::string> own;  // of one point
  for_each_payload(target, slots, [&](const index::RowHeader&, const JsonValue& payload) {
    own.clear();
    for_each_value(key, payload, [&](const JsonValue& value) {
      if (auto text = facet_value(value, uuids)) own.push_back(std::move(*text));
    });
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    for (const std::string& text : own) ++counts[text];
  });
  return counts;
}

void facet(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  const FieldPath key = path_field(body, "key");
  const std::size_t limit = integer_field(body, "limit", {.low = 1}).value_or(10);
  bool_field(body, "exact");  // counts are always exact
  const auto filter = read_filter_field(body, target, context.limits);
  index::SelectedSlots slots;
  if (filter) slots = select_slots(target, *filter);
  const Counts counts = count_values(target, key, filter ? &slots : nullptr);

  std::vector<std::pair<std::string, std::uint64_t>> hits(counts.begin(), counts.end());
  std::sort(hits.begin(), hits.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (hits.size() > limit) hits.resize(limit);
  response.body += "{\"hits\":[";
  for (std::size_t i = 0; i < hits.size(); ++i) {
    response.body += i ? ",{\"value\":" : "{\"value\":";
    response.body += hits[i].first;
    response.body += ",\"count\":";
    append_unsigned(response.body, hits[i].second);
    response.body += '}';
  }
  response.body += "]}";
  check_answer_size(response.body.size(), context.limits.answer_bytes);
}

}  // namespace

void add_facet_routes(Router& router, Context& context) {
  router.add({"POST", "/collections/{name}/facet", Lane::read, true,
              [&](const Call& call, Response& response) { facet(context, call, response); }});
}

}  // namespace nestor::server
