#pragma once
// The points of an upsert, in either of its two forms, read and checked as a whole before anything is written.

#include <optional>
#include <string_view>
#include <vector>

#include "server/catalog.h"
#include "server/json_view.h"
#include "server/limits.h"

namespace nestor::server {

// The points' payloads are views into the request's text.
class UpsertRequest {
 public:
  // Body {points: [{id, vector, payload}]} or {batch: {ids, vectors, payloads}}. Throws HttpError 4xx.
  UpsertRequest(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits);

  // Valid while this and the body live.
  std::vector<index::Point> points() const;

 private:
  struct Row {
    index::PointId id;
    std::string_view payload;
    std::optional<std::uint32_t> value;
  };

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
};

}  // namespace nestor::server
