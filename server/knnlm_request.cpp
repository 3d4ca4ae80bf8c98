#include "server/knnlm_request.h"

#include <limits>

#include "server/fields.h"
#include "server/json_writer.h"
#include "server/point_ids.h"
#include "server/protocol.h"
#include "server/search_params.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

constexpr std::uint64_t kDefaultNeighbours = 1024;
constexpr std::uint64_t kDefaultTop = 10;

double positive_number(const JsonValue& body, std::string_view name, double fallback) {
  const auto number = number_field(body, name);
  if (!number) return fallback;
  if (!(*number > 0)) {
    std::string shown;
    append_double(shown, *number);
    validation_error(name, "value " + shown + " invalid, must be greater than 0");
  }
  return *number;
}

index::WeightMode weight_mode(const JsonValue& body) {
  const auto mode = string_field(body, "weight_mode");
  if (!mode || *mode == "after_temperature") return index::WeightMode::after_temperature;
  if (*mode == "compatible") return index::WeightMode::compatible;
  validation_error("weight_mode", "unknown value `" + *mode + "`, expected `after_temperature` or `compatible`");
}

// One document for all queries, or a list with one per query in which null excludes nothing.
std::vector<std::uint64_t> excluded_documents(const JsonValue& body) {
  const auto value = field(body, "exclude_doc_id");
  if (!value) return {};
  if (!value->is_array()) return {integer_value(*value, "exclude_doc_id")};
  std::vector<std::uint64_t> documents;
  for (const JsonValue& item : value->items())
    documents.push_back(item.is_null() ? index::kNoDocument : integer_value(item, "exclude_doc_id"));
  return documents;
}

}  // namespace

storage::Datastore DatastoreCatalog::open(const std::shared_ptr<index::Collection>& collection) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const auto& entry) { return entry.second.collection.expired(); });
  Entry& entry = entries_[collection.get()];
  if (!entry.state) entry = {collection, std::make_shared<storage::DatastoreState>()};
  return storage::Datastore(collection, entry.state);
}

DatastoreRequest::DatastoreRequest(Context& context, DatastoreCatalog& datastores, const Call& call)
    : target(context.catalog.open(call.parameters[0])),
      document(call.request.body, context.limits.json_depth),
      body(document.root()),
      limits(context.limits),
      catalog(datastores) {
  expect_object(body, "body");
}

VectorList read_vectors(const JsonValue& body, std::string_view name, const OpenCollection& target,
                        const RequestLimits& limits) {
  const JsonValue list = required_field(body, name);
  const std::string field(name);
  expect_array(list, name);
  VectorList vectors;
  vectors.count = list.size();
  if (vectors.count == 0) wrong_input("`" + field + "` is empty");
  if (vectors.count > limits.searches)
    wrong_input(std::to_string(vectors.count) + " " + field + " in one request, at most " +
                std::to_string(limits.searches) + " are allowed");
  if (list.is_number_array()) format_error("`" + field + "` is a list of vectors, one vector goes in double brackets");
  const std::size_t dim = target.collection->options().dim;
  const auto items = list.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = field + "[" + std::to_string(i) + "]";
    const JsonValue vector = dense_vector(items[i], *target.schema, where);
    const std::size_t length = vector_length(vector, where, {dim});
    if (length != dim) dimension_error(dim, length);
    append_coordinates(vector, where, vectors.values, {dim});
  }
  return vectors;
}

storage::DatastoreQuery read_datastore_query(const JsonValue& body, const RequestLimits& limits) {
  refuse_fields(body, {"filter"});
  const auto params = field(body, "params");
  const auto ladder = params ? field(*params, "matryoshka") : std::nullopt;
  if (ladder && field(*ladder, "query_type")) not_supported("`query_type` in a lookup");
  storage::DatastoreQuery query;
  query.threads = limits.search_threads;
  index::LookupOptions& options = query.options;
  options.search.k =
      static_cast<std::uint32_t>(integer_field(body, "k", {1, index::kMaxNeighbours}).value_or(kDefaultNeighbours));
  options.top = static_cast<std::uint32_t>(
      integer_field(body, "top", {0, std::numeric_limits<std::uint32_t>::max()}).value_or(kDefaultTop));
  options.temperature = positive_number(body, "temperature", 1.0);
  options.eta = number_field(body, "eta").value_or(0);
  if (!(options.eta >= 0 && options.eta < 1)) validation_error("eta", "must be 0 or larger and below 1");
  query.weights = bool_field(body, "weights").value_or(false);
  options.weight_mode = weight_mode(body);
  query.exclude_documents = excluded_documents(body);
  if (const auto ids = field(body, "entry_ids")) query.entry_ids = read_ids(*ids, "entry_ids", limits.points);
  read_search_params(body, options.search);
  return query;
}

std::vector<float> read_floats(const JsonValue& body, std::string_view name) {
  std::vector<float> numbers;
  const auto value = field(body, name);
  if (!value || (value->is_array() && value->size() == 0)) return numbers;
  if (value->is_number()) return {static_cast<float>(*number_field(body, name))};
  vector_length(*value, name);
  append_coordinates(*value, name, numbers);
  return numbers;
}

std::vector<std::uint64_t> read_unsigned(const JsonValue& body, std::string_view name, std::uint64_t high) {
  std::vector<std::uint64_t> numbers;
  const auto value = field(body, name);
  if (!value) return numbers;
  expect_array(*value, name);
  for (const JsonValue& item : value->items()) numbers.push_back(integer_value(item, name, {0, high}));
  return numbers;
}

}  // namespace nestor::server
