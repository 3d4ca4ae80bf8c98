#pragma once
// The points of an upsert, in either of its two forms, read and checked as a whole before anything is written.

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "server/catalog.h"
#include "server/filter.h"
#include "server/json_view.h"
#include "server/limits.h"

namespace nestor::server {

// The points' payloads are views into the request's text.
class UpsertRequest {
 public:
  // Body {points: [{id, vector, payload}]} or {batch: {ids, vectors, payloads}}. Throws HttpError 4xx.
  UpsertRequest(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits);

  // Body {points: [{id, vector}]}: only vectors change.
  static UpsertRequest of_vectors(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits);

  // Valid while this and the body live.
  std::vector<index::Point> points() const;
  // Valid while this lives.
  index::UpsertRules rules() const;

 private:
  struct Row {
    index::PointId id;
    std::string_view payload;
    std::optional<std::uint32_t> value;
  };

  UpsertRequest(const OpenCollection& target, const RequestLimits& limits);
  void read_rules(const JsonValue& body);
  void read_points(const JsonValue& points);
  void read_batch(const JsonValue& batch);
  void read_vector(const JsonValue& vector, std::size_t row);
  void read_payload(const std::optional<JsonValue>& payload, Row& row) const;
  void check_count(std::size_t count) const;

  const OpenCollection& target_;
  const RequestLimits& limits_;
  std::size_t dim_;
  std::vector<Row> rows_;
  std::vector<float> coordinates_;  // [rows x dim]
  enum class Mode { upsert, insert_only, update_only };
  Mode mode_ = Mode::upsert;
  bool keep_payload_ = false;
  std::shared_ptr<const Filter> filter_;  // an existing point is changed only if it is met
};

}  // namespace nestor::server
