#include "server/upsert_request.h"

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/payload.h"
#include "server/point_ids.h"
#include "server/protocol.h"
#include "server/search_params.h"
#include "server/vector_reader.h"

namespace nestor::server {

UpsertRequest::UpsertRequest(const OpenCollection& target, const RequestLimits& limits)
    : target_(target), limits_(limits), dim_(target->options().dim) {}

void UpsertRequest::read_rules(const JsonValue& body) {
  filter_ = read_filter(body, "update_filter", target_, limits_);
  const auto mode = string_field(body, "update_mode");
  if (!mode || *mode == "upsert") return;
  if (*mode == "insert_only")
    mode_ = Mode::insert_only;
  else if (*mode == "update_only")
    mode_ = Mode::update_only;
  else
    format_error("unknown variant `" + *mode +
                 "` for `update_mode`, expected one of `upsert`, `insert_only`, "
                 "`update_only`");
}

UpsertRequest UpsertRequest::of_vectors(const JsonValue& body, const OpenCollection& target,
                                        const RequestLimits& limits) {
  expect_object(body, "body");
  UpsertRequest request(target, limits);
  request.filter_ = read_filter(body, "update_filter", target, limits);
  request.keep_payload_ = true;
  request.read_points(required_field(body, "points"));
  return request;
}

index::UpsertRules UpsertRequest::rules() const {
  index::UpsertRules rules;
  rules.keep_payload = keep_payload_;
  if (mode_ == Mode::upsert && !filter_) return rules;
  rules.guard = [this](const index::Point&, const index::RowHeader* before, std::string_view payload) {
    if (!before) return mode_ != Mode::update_only;
    if (mode_ == Mode::insert_only) return false;
    return !filter_ || accepts(*filter_, before->id, payload, before->value);
  };
  return rules;
}

UpsertRequest::UpsertRequest(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits)
    : UpsertRequest(target, limits) {
  expect_object(body, "body");
  read_rules(body);
  const auto points = field(body, "points");
  const auto batch = field(body, "batch");
  if (points.has_value() == batch.has_value()) format_error("expected either `points` or `batch`");
  if (points)
    read_points(*points);
  else
    read_batch(*batch);
}

void UpsertRequest::check_count(std::size_t count) const {
  if (count == 0) bad_request("Empty update request");
  if (count > limits_.points)
    wrong_input(std::to_string(count) + " points in one request, at most " + std::to_string(limits_.points) +
                " are allowed");
}

void UpsertRequest::read_vector(const JsonValue& vector, std::size_t row) {
  const std::string where = "vector of point " + std::to_string(row);
  const std::size_t length = vector_length(vector, where, {dim_});
  if (length != dim_) dimension_error(dim_, length);
  append_coordinates(vector, where, coordinates_, {dim_});
}

void UpsertRequest::read_payload(const std::optional<JsonValue>& payload, Row& row) const {
  if (!payload || payload->is_null()) return;
  expect_object(*payload, "payload");
  if (payload->size() == 0) return;
  row.payload = payload->text();
  row.value = payload_token(*payload);
}

void UpsertRequest::read_points(const JsonValue& points) {
  expect_array(points, "points");
  check_count(points.size());
  rows_.reserve(points.size());
  for (const JsonValue& point : points.items()) {
    expect_object(point, "points");
    Row row{read_id(required_field(point, "id")), {}, {}};
    read_vector(dense_vector(required_field(point, "vector"), *target_.schema, "vector"), rows_.size());
    if (!keep_payload_) read_payload(field(point, "payload"), row);
    rows_.push_back(row);
  }
}

void UpsertRequest::read_batch(const JsonValue& batch) {
  expect_object(batch, "batch");
  const auto ids = read_ids(required_field(batch, "ids"), "batch.ids", limits_.points);
  check_count(ids.size());
  const JsonValue list = dense_vector(required_field(batch, "vectors"), *target_.schema, "batch.vectors");
  expect_array(list, "batch.vectors");
  const auto payloads_field = field(batch, "payloads");
  if (payloads_field) expect_array(*payloads_field, "batch.payloads");
  const auto vectors = list.items();
  const auto payloads = payloads_field ? payloads_field->items() : std::vector<JsonValue>{};
  if (vectors.size() != ids.size() || (payloads_field && payloads.size() != ids.size()))
    wrong_input("a batch of " + std::to_string(ids.size()) + " ids with " + std::to_string(vectors.size()) +
                " vectors" + (payloads_field ? " and " + std::to_string(payloads.size()) + " payloads" : ""));
  rows_.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Row row{ids[i], {}, {}};
    read_vector(vectors[i], i);
    if (payloads_field) read_payload(payloads[i], row);
    rows_.push_back(row);
  }
}

std::vector<index::Point> UpsertRequest::points() const {
  std::vector<index::Point> out;
  out.reserve(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i)
    out.push_back({rows_[i].id, std::span(coordinates_).subspan(i * dim_, dim_), rows_[i].payload, rows_[i].value});
  return out;
}

}  // namespace nestor::server
