#include "server/query_reader.h"

#include <algorithm>
#include <array>
#include <limits>

#include "server/base64.h"
#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/point_ids.h"
#include "server/protocol.h"
#include "server/search_params.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

using Kind = ExamplesQuery::Kind;

constexpr double kLargest = std::numeric_limits<float>::max();
constexpr std::size_t kMaxDiverse = 16384;  // candidates of one query with `mmr`

// A list of things, or one of them without the list.
std::vector<JsonValue> one_or_many(const JsonValue& value) {
  return value.is_array() ? value.items() : std::vector<JsonValue>{value};
}

// Of a string that is no id. A long one is told apart without a look at its content: what is wrong with it, the
// vector's reader says.
bool looks_like_vector(const JsonValue& text) {
  constexpr std::size_t kLongerThanAnyId = 64;
  const auto plain = text.as_plain_string();
  if (!plain) return is_base64(*text.as_string());
  return plain->size() > kLongerThanAnyId || is_base64(*plain);
}

Kind read_strategy(const JsonValue& object) {
  const auto word = string_field(object, "strategy");
  if (!word || *word == "average_vector") return Kind::average_vector;
  if (*word == "best_score") return Kind::best_score;
  if (*word == "sum_scores") return Kind::sum_scores;
  format_error("unknown variant `" + *word +
               "` for `strategy`, expected one of `average_vector`, `best_score`, "
               "`sum_scores`");
}

void check_threshold(const QueryNode& node) {
  if (!node.score_threshold) return;
  if (std::holds_alternative<OrderBy>(node.query) || std::holds_alternative<SampleQuery>(node.query))
    bad_request("`score_threshold` has no meaning for points by `order_by` or `sample`, which have no scores");
}

}  // namespace

QueryNode QueryReader::common(const JsonValue& body) const {
  QueryNode node;
  node.filter = read_filter_field(body, context_.target, context_.limits);
  if (node.filter) node.filter_text = required_field(body, "filter").text();
  node.limit = integer_field(body, "limit", {.low = 1}).value_or(10);
  if (const auto threshold = number_field(body, "score_threshold"))
    node.score_threshold = static_cast<float>(std::clamp<double>(*threshold, -kLargest, kLargest));
  node.search.k = static_cast<std::uint32_t>(std::min<std::uint64_t>(node.limit, std::numeric_limits<std::uint32_t>::max()));
  read_search_params(body, node.search);
  read_lookup(body, node);
  return node;
}

void QueryReader::read_lookup(const JsonValue& body, QueryNode& node) const {
  const auto lookup = field(body, "lookup_from");
  if (!lookup) return;
  expect_object(*lookup, "lookup_from");
  required_field(*lookup, "collection");
  const std::string collection = *string_field(*lookup, "collection");
  if (!context_.catalog.contains(collection))
    throw HttpError(404, "Not found: Collection " + collection + " not found");
  const OpenCollection other = context_.catalog.open(collection);
  if (const auto name = string_field(*lookup, "vector")) check_vector_name(*name, *other.schema);
  if (other->options().dim != context_.target->options().dim)
    dimension_error(context_.target->options().dim, other->options().dim);
  node.lookup_from = other.collection;
}

QueryNode QueryReader::query(const JsonValue& body) {
  QueryNode node = common(body);
  if (depth_ == 0) node.offset = integer_field(body, "offset").value_or(0);
  read_prefetches(body, node);
  const auto name = string_field(body, "using");
  const auto value = field(body, "query");
  if (!value) {
    if (!node.prefetch.empty())
      bad_request("A query is needed to merge the prefetches. Can't have prefetches without defining a query.");
    if (node.score_threshold)
      bad_request("A query is needed to use the score_threshold. Can't have score_threshold without defining a query.");
    if (name) check_vector_name(*name, *context_.target.schema);
    return node;
  }
  const Form form = prefix_form(body, node);
  read_query(*value, form, node);
  const auto* nearest_to = std::get_if<NearestQuery>(&node.query);
  if (form.type && (!nearest_to || nearest_to->near.point))
    wrong_input("`query_type` says what a base64 string holds, and `query` is none");
  check_threshold(node);
  const bool by_vector =
      std::holds_alternative<NearestQuery>(node.query) || std::holds_alternative<ExamplesQuery>(node.query);
  if (name && std::holds_alternative<FusionQuery>(node.query))
    bad_request("Fusion queries cannot be combined with the 'using' field.");
  if (by_vector || name) check_vector_name(name.value_or(""), *context_.target.schema);
  if (std::holds_alternative<FusionQuery>(node.query) && node.prefetch.empty())
    bad_request("a fusion needs prefetches to fuse, `prefetch` is missing");
  return node;
}

void QueryReader::read_prefetches(const JsonValue& body, QueryNode& node) {
  const auto value = field(body, "prefetch");
  if (!value) return;
  if (!value->is_array() && !value->is_object()) wrong_type(*value, "prefetch", "an object or a list of them");
  if (++depth_ > context_.limits.prefetch_depth)
    wrong_input("prefetches nested more than " + std::to_string(context_.limits.prefetch_depth) + " deep");
  for (const JsonValue& item : one_or_many(*value)) {
    expect_object(item, "prefetch");
    if (++prefetches_ > context_.limits.prefetches)
      wrong_input("more than " + std::to_string(context_.limits.prefetches) + " prefetches in one query");
    node.prefetch.push_back(query(item));
  }
  --depth_;
}

// A shorter vector is a prefix. Of a list its length says which; bytes say nothing of what they are, so that a string
// is one only where the request states the width, or the type of the string.
QueryReader::Form QueryReader::prefix_form(const JsonValue& body, const QueryNode& node) {
  Form form{false, node.search.width.value_or(0), {}};
  const auto params = field(body, "params");
  const auto ladder = params ? field(*params, "matryoshka") : std::nullopt;
  if (const auto type = ladder ? string_field(*ladder, "query_type") : std::nullopt)
    form.type = parse_packed_type(*type);
  return form;
}

void QueryReader::read_query(const JsonValue& value, const Form& form, QueryNode& node) const {
  if (value.is_object()) return read_query_object(value, form, node);
  node.query = NearestQuery{vector_input(value, "query", form), {}};
}

void QueryReader::read_query_object(const JsonValue& value, const Form& form, QueryNode& node) const {
  if (value.find("nearest")) {
    node.query = nearest(value, form);
  } else if (const auto recommend = value.find("recommend")) {
    node.query = recommendation(*recommend);
  } else if (const auto discover = value.find("discover")) {
    expect_object(*discover, "discover");
    node.query = discovery(required_field(*discover, "target"), field(*discover, "context"));
  } else if (const auto context = value.find("context")) {
    ExamplesQuery query{Kind::context, {}, {}, {}};
    read_pairs(*context, query);
    node.query = std::move(query);
  } else if (const auto order = value.find("order_by")) {
    node.query = read_order_by(*order);
  } else if (value.find("fusion")) {
    const auto word = *string_field(value, "fusion");
    if (word != "rrf" && word != "dbsf")
      format_error("unknown variant `" + word + "` for `fusion`, expected `rrf` or `dbsf`");
    node.query = FusionQuery{word == "rrf" ? FusionQuery::Kind::rrf : FusionQuery::Kind::dbsf, 2, {}};
  } else if (const auto rrf = value.find("rrf")) {
    node.query = reciprocal_rank_fusion(*rrf);
  } else if (value.find("sample")) {
    const auto word = string_field(value, "sample");
    if (word != "random") format_error("unknown variant for `sample`, expected `random`");
    node.query = SampleQuery{};
  } else {
    for (const std::string_view kind : {"formula", "relevance_feedback"})
      if (value.find(kind)) not_supported("`" + std::string(kind) + "` in `query`");
    node.query = NearestQuery{vector_input(value, "query", form), {}};
  }
}

NearestQuery QueryReader::nearest(const JsonValue& object, const Form& form) const {
  NearestQuery query{vector_input(required_field(object, "nearest"), "query", form), {}};
  const auto mmr = field(object, "mmr");
  if (!mmr) return query;
  expect_object(*mmr, "mmr");
  query.diversity = NearestQuery::Diversity{};
  if (const auto share = number_field(*mmr, "diversity")) {
    if (!(*share >= 0 && *share <= 1)) validation_error("mmr.diversity", "must be from 0 to 1");
    query.diversity->share = static_cast<float>(*share);
  }
  query.diversity->candidates = integer_field(*mmr, "candidates_limit", {1, kMaxDiverse});
  return query;
}

ExamplesQuery QueryReader::recommendation(const JsonValue& object) const {
  expect_object(object, "recommend");
  ExamplesQuery query{read_strategy(object), examples(object, "positive"), examples(object, "negative"), {}};
  if (query.positive.empty() && query.negative.empty())
    validation_error("recommend", "At least one positive or negative vector ID required");
  if (query.kind == Kind::average_vector && query.positive.empty())
    bad_request("At least one positive vector ID required with this strategy");
  return query;
}

ExamplesQuery QueryReader::discovery(const JsonValue& target, const std::optional<JsonValue>& pairs) const {
  ExamplesQuery query{Kind::discover, {}, {}, vector_input(target, "target", {})};
  if (pairs) read_pairs(*pairs, query);
  return query;
}

void QueryReader::read_pairs(const JsonValue& value, ExamplesQuery& query) const {
  const auto pairs = one_or_many(value);
  if (pairs.size() > context_.limits.examples)
    wrong_input(std::to_string(pairs.size()) + " pairs in one query, at most " +
                std::to_string(context_.limits.examples) + " are allowed");
  if (pairs.empty() && query.kind == Kind::context) bad_request("`context` needs one pair at least");
  for (const JsonValue& pair : pairs) {
    expect_object(pair, "context");
    query.positive.push_back(vector_input(required_field(pair, "positive"), "context", {}));
    query.negative.push_back(vector_input(required_field(pair, "negative"), "context", {}));
  }
}

FusionQuery QueryReader::reciprocal_rank_fusion(const JsonValue& object) const {
  expect_object(object, "rrf");
  FusionQuery fusion;
  fusion.k = static_cast<float>(integer_field(object, "k", {1, 1'000'000}).value_or(2));
  if (const auto weights = field(object, "weights")) {
    expect_array(*weights, "weights");
    for (const JsonValue& weight : weights->items()) {
      if (!weight.is_number()) wrong_type(weight, "weights", "a number");
      if (*weight.as_double() < 0) validation_error("rrf.weights", "a weight must not be negative");
      fusion.weights.push_back(static_cast<float>(std::min(*weight.as_double(), kLargest)));
    }
  }
  return fusion;
}

std::vector<VectorInput> QueryReader::examples(const JsonValue& object, std::string_view name) const {
  std::vector<VectorInput> out;
  const auto value = field(object, name);
  if (!value) return out;
  expect_array(*value, name);
  if (value->size() > context_.limits.examples)
    wrong_input(std::to_string(value->size()) + " examples in `" + std::string(name) + "`, at most " +
                std::to_string(context_.limits.examples) + " are allowed");
  for (const JsonValue& item : value->items()) out.push_back(vector_input(item, name, {}));
  return out;
}

std::vector<float> QueryReader::vector(const JsonValue& value, std::string_view where, const Form& form) const {
  if (form.type) return typed_vector(value, where, *form.type);
  const index::CollectionOptions& options = context_.target->options();
  const PackedLengths lengths{options.dim, form.width};
  const std::size_t length = vector_length(value, where, lengths);
  if (form.whole && length != options.dim) dimension_error(options.dim, length);
  if (value.is_string() && length != options.dim && length != form.width)
    wrong_input("Vector dimension error: expected dim: " + std::to_string(options.dim) + ", got " +
                std::to_string(length) + " if the base64 string in `" + std::string(where) +
                "` is one of float32 (for a prefix say its `width` in `params.matryoshka`, for other bytes their "
                "`query_type`)");
  check_query_length(options, length);
  std::vector<float> out;
  append_coordinates(value, where, out, lengths);
  return out;
}

std::vector<float> QueryReader::typed_vector(const JsonValue& value, std::string_view where, PackedType type) const {
  if (!value.is_string())
    wrong_input("`query_type` says what a base64 string holds, `" + std::string(where) + "` is a list");
  std::vector<float> out;
  append_packed(value, where, type, out);
  check_query_length(context_.target->options(), out.size());
  return out;
}

VectorInput QueryReader::vector_input(const JsonValue& value, std::string_view where, const Form& form) const {
  // What reads as an id is one; any other string must be a vector in base64.
  const bool is_vector = value.is_string() && !parse_id(value) && looks_like_vector(value);
  if (value.is_number() || (value.is_string() && !is_vector)) return {{}, read_id(value)};
  if (value.is_object()) {
    for (const std::string_view kind : {"text", "image", "object"})
      if (value.find(kind)) not_supported("inference (`" + std::string(kind) + "` in `" + std::string(where) + "`)");
    if (!value.find("indices")) wrong_type(value, where, "a vector, a point id or {\"nearest\": ...}");
  }
  return {vector(value, where, form), {}};
}

// The older forms have no default for `limit`, and know it as `top` too.
QueryNode QueryReader::older(const JsonValue& body) const {
  QueryNode node = common(body);
  const auto top = integer_field(body, "top", {.low = 1});
  if (!top) required_field(body, "limit");
  if (top && field(body, "limit")) format_error("duplicate field `limit` (`top` is another name of it)");
  if (top) node.limit = *top;
  node.offset = integer_field(body, "offset").value_or(0);
  return node;
}

QueryNode QueryReader::search(const JsonValue& body) {
  QueryNode node = older(body);
  JsonValue value = required_field(body, "vector");
  std::string name;
  if (value.is_object() && value.find("name")) {
    name = string_field(value, "name").value_or("");
    value = required_field(value, "vector");
  }
  check_vector_name(name, *context_.target.schema);
  if (!value.is_array() && !value.is_object() && !value.is_string())
    wrong_type(value, "vector", "a vector (a list of numbers)");
  node.query = NearestQuery{{vector(value, "query", prefix_form(body, node)), {}}, {}};
  return node;
}

QueryNode QueryReader::recommend(const JsonValue& body) {
  QueryNode node = older(body);
  check_vector_name(string_field(body, "using").value_or(""), *context_.target.schema);
  node.query = recommendation(body);
  return node;
}

QueryNode QueryReader::discover(const JsonValue& body) {
  QueryNode node = older(body);
  check_vector_name(string_field(body, "using").value_or(""), *context_.target.schema);
  const auto target = field(body, "target");
  const auto pairs = field(body, "context");
  if (target) {
    node.query = discovery(*target, pairs);
    return node;
  }
  if (!pairs) bad_request("a discovery needs `target` or `context`");
  ExamplesQuery query{Kind::context, {}, {}, {}};
  read_pairs(*pairs, query);
  node.query = std::move(query);
  return node;
}

}  // namespace nestor::server
