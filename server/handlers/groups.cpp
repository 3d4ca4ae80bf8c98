// Hits by the value of a payload key: the best groups, each with its best hits.
#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/point_ids.h"
#include "server/query_answer.h"
#include "server/query_runner.h"

namespace nestor::server {
namespace {

struct GroupRequest {
  QueryRequest query;  // its limit is that of hits, grown until the groups are full
  FieldPath key;
  std::size_t groups = 10, group_size = 3;
  std::optional<OpenCollection> lookup;
  RecordFormat lookup_format;
};

struct Group {
  std::string id;  // as JSON, see canonical_scalar()
  std::vector<QueryHit> hits;
};

void read_lookup(const JsonValue& body, Context& context, GroupRequest& request) {
  const auto lookup = field(body, "with_lookup");
  if (!lookup) return;
  std::string name;
  if (const auto text = lookup->as_string()) {
    name = *text;
  } else {
    expect_object(*lookup, "with_lookup");
    required_field(*lookup, "collection");
    name = *string_field(*lookup, "collection");
  }
  request.lookup = context.catalog.open(name);
  request.lookup_format.schema = request.lookup->schema.get();
  request.lookup_format.payload.mode = PayloadSelector::Mode::all;
  if (lookup->is_string()) return;
  request.lookup_format.payload = read_payload_selector(*lookup, true);
  request.lookup_format.with_vector = read_vector_selector(*lookup, *request.lookup->schema, false);
}

// Prefetches find enough for as many groups as they would have found points.
void widen_prefetches(QueryNode& node, std::size_t group_size) {
  for (QueryNode& prefetch : node.prefetch) {
    const bool fits = prefetch.limit <= std::numeric_limits<std::size_t>::max() / group_size;
    prefetch.limit = fits ? prefetch.limit * group_size : std::numeric_limits<std::size_t>::max();
    widen_prefetches(prefetch, group_size);
  }
}

GroupRequest read_group_request(const JsonValue& body, Context& context, const OpenCollection& target, QueryForm form) {
  GroupRequest request;
  request.query = read_query_request(body, {context.catalog, target, context.limits}, form);
  if (field(body, "offset")) bad_request("`offset` is not part of a query by groups");
  request.query.node.search.explain = false;
  request.key = path_field(body, "group_by");
  request.groups = integer_field(body, "limit", {.low = 1}).value_or(10);
  request.group_size = integer_field(body, "group_size", {.low = 1}).value_or(3);
  widen_prefetches(request.query.node, request.group_size);
  read_lookup(body, context, request);
  return request;
}

// Fills groups from hits in their order.
class Grouping {
 public:
  Grouping(const OpenCollection& target, const GroupRequest& request) : target_(target), request_(request) {}

  void add(const std::vector<QueryHit>& hits) {
    for (const QueryHit& hit : hits) {
      if (!seen_.insert(hit.id).second) continue;
      for (const std::string& id : groups_of(hit)) add_to(id, hit);
    }
  }
  bool full() const {
    return groups_.size() >= request_.groups &&
           std::all_of(groups_.begin(), groups_.end(),
                       [&](const Group& group) { return group.hits.size() >= request_.group_size; });
  }
  const std::vector<Group>& groups() const { return groups_; }

 private:
  // A point is in as many groups as its key has strings and integers.
  std::vector<std::string> groups_of(const QueryHit& hit) const {
    std::vector<std::string> ids;
    const auto record = target_->get(hit.id, false, true);
    if (!record) return ids;
    const std::string_view payload = record->payload.empty() ? std::string_view("{}") : record->payload;
    const JsonDocument document(payload, kStoredDepth);
    for_each_value(request_.key, document.root(), [&](const JsonValue& value) {
      auto id = value.is_boolean() ? std::nullopt : canonical_scalar(value);
      if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*std::move(id));
    });
    return ids;
  }

  void add_to(const std::string& id, const QueryHit& hit) {
    const auto [place, is_new] = places_.try_emplace(id, groups_.size());
    if (is_new) {
      if (groups_.size() == request_.groups) {
        places_.erase(place);
        return;
      }
      groups_.push_back({id, {}});
    }
    Group& group = groups_[place->second];
    if (group.hits.size() < request_.group_size) group.hits.push_back(hit);
  }

  const OpenCollection& target_;
  const GroupRequest& request_;
  std::unordered_set<index::PointId, index::PointIdHash> seen_;
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<Group> groups_;
};

// Asks for more and more hits until the groups are full or there are no more.
Grouping find_groups(const OpenCollection& target, GroupRequest& request) {
  Grouping grouping(target, request);
  // A query by examples needs room for the examples themselves.
  constexpr std::size_t kMost = index::kMaxNeighbours / 2;
  const std::size_t groups = std::min(request.groups, kMost), size = std::min(request.group_size, kMost);
  std::size_t limit = std::clamp<std::size_t>(2 * groups * size, 64, kMost);
  for (;; limit = std::min(kMost, limit * 4)) {
    request.query.node.limit = limit;
    const QueryAnswer answer = run_query(target, request.query.node);
    grouping.add(answer.hits);
    if (grouping.full() || answer.hits.size() < limit || limit == kMost) return grouping;
  }
}

void append_lookup(std::string& out, const GroupRequest& request, const std::string& group_id) {
  const JsonDocument document(group_id, 4);
  const auto id = parse_id(document.root());
  if (!id) return;
  const auto record = (*request.lookup)->get(*id, request.lookup_format.with_vector, request.lookup_format.payload.wanted());
  if (!record) return;
  out += ",\"lookup\":";
  append_record(out, *record, request.lookup_format);
}

void groups(Context& context, const Call& call, Response& response, QueryForm form) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  GroupRequest request = read_group_request(document.root(), context, target, form);
  const RecordFormat format = answer_format(target, request.query);
  std::string& out = response.body;
  out += "{\"groups\":[";
  bool first = true;
  const Grouping found = find_groups(target, request);
  for (const Group& group : found.groups()) {
    out += first ? "{\"id\":" : ",{\"id\":";
    first = false;
    out += group.id;
    out += ",\"hits\":";
    append_hits(out, target, group.hits, format);
    if (request.lookup) append_lookup(out, request, group.id);
    out += '}';
    check_answer_size(out.size(), context.limits.answer_bytes);
  }
  out += "]}";
}

}  // namespace

void add_group_routes(Router& router, Context& context) {
  const auto add = [&](const std::string& kind, QueryForm form) {
    router.add({"POST", "/collections/{name}/points/" + kind + "/groups", Lane::read, true,
                [&context, form](const Call& call, Response& response) { groups(context, call, response, form); }});
  };
  add("query", QueryForm::query);
  add("search", QueryForm::search);
  add("recommend", QueryForm::recommend);
}

}  // namespace nestor::server
