#pragma once
// Points in the order of a payload key: numbers by value, text that is a date by its moment.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "server/catalog.h"
#include "server/field_path.h"
#include "server/json_view.h"

namespace nestor::server {

struct OrderBy {
  FieldPath key;
  std::string key_text;
  bool descending = false;
  std::optional<long double> start_from;  // the first value of the answer, or the next one that there is
};

// "key" or {"key", "direction": "asc" | "desc", "start_from": number or date}. Throws HttpError 400.
OrderBy read_order_by(const JsonValue& value);

struct OrderedPoint {
  index::PointId id;
  index::Slot slot = index::kNoSlot;
  index::Sequence version = 0;
  long double key = 0;
  std::string value;  // as JSON: the number as it is stored, a date as microseconds since 1970
};

// The first `limit` of the points with these slots (null: all) in order, equal keys by id; a point stands there once for
// each of its values. Reads the payloads of all these points.
std::vector<OrderedPoint> points_in_order(const OpenCollection& target, const OrderBy& order,
                                          const index::SelectedSlots* slots, std::size_t limit);

}  // namespace nestor::server
