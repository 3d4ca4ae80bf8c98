// The values of a payload key and how many points have each.
#include <algorithm>
#include <unordered_map>

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"

namespace nestor::server {
namespace {

constexpr std::size_t kMostHits = 100'000;

// Strings, integers and booleans count, each once a point.
using Counts = std::unordered_map<std::string, std::uint64_t>;  // the value as canonical JSON

std::optional<std::string> canonical(const JsonValue& value) {
  if (value.is_boolean()) return std::string(value.text());
  if (value.is_number() && value.text().find_first_of(".eE") == std::string_view::npos) return std::string(value.text());
  if (!value.is_string()) return std::nullopt;
  std::string text;
  append_string(text, *value.as_string());
  return text;
}

Counts count_values(const OpenCollection& target, const FieldPath& key, const index::SelectedSlots* slots) {
  Counts counts;
  std::vector<std::string> own;  // of one point
  for_each_payload(target, slots, [&](const index::RowHeader&, const JsonValue& payload) {
    own.clear();
    for_each_value(key, payload, [&](const JsonValue& value) {
      if (auto text = canonical(value)) own.push_back(std::move(*text));
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
  const std::size_t limit = integer_field(body, "limit", {1, kMostHits}).value_or(10);
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
