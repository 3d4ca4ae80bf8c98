#include "server/order_by.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "server/datetime.h"
#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/payload.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

long double number_of(std::string_view text) {
  long double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

struct Key {
  long double number = 0;
  std::string shown;
};

std::optional<Key> key_of(const JsonValue& value) {
  if (value.is_number()) return Key{number_of(value.text()), std::string(value.text())};
  const auto text = value.as_string();
  const auto moment = text ? parse_datetime(*text) : std::nullopt;
  if (!moment) return std::nullopt;
  return Key{static_cast<long double>(*moment), std::to_string(*moment)};
}

// Keeps the first `limit` of a stream.
class FirstInOrder {
 public:
  FirstInOrder(const OrderBy& order, std::size_t limit) : order_(order), limit_(limit) {}

  void offer(const index::RowHeader& row, const JsonValue& value) {
    auto key = key_of(value);
    if (!key || !after_start(key->number)) return;
    points_.push_back({row.id, row.slot, row.version, key->number, std::move(key->shown)});
    if (points_.size() / 2 >= limit_ && points_.size() >= 1024) cut();
  }

  std::vector<OrderedPoint> take() {
    cut();
    std::sort(points_.begin(), points_.end(), less());
    return std::move(points_);
  }

 private:
  bool after_start(long double key) const {
    if (!order_.start_from) return true;
    return order_.descending ? key <= *order_.start_from : key >= *order_.start_from;
  }

  std::function<bool(const OrderedPoint&, const OrderedPoint&)> less() const {
    return [descending = order_.descending](const OrderedPoint& a, const OrderedPoint& b) {
      const OrderedPoint &first = descending ? b : a, &second = descending ? a : b;
      return first.key != second.key ? first.key < second.key : first.id < second.id;
    };
  }

  void cut() {
    if (points_.size() <= limit_) return;
    std::nth_element(points_.begin(), points_.begin() + static_cast<std::ptrdiff_t>(limit_), points_.end(), less());
    points_.resize(limit_);
  }

  const OrderBy& order_;
  std::size_t limit_;
  std::vector<OrderedPoint> points_;
};

}  // namespace

OrderBy read_order_by(const JsonValue& value) {
  OrderBy order;
  if (const auto key = value.as_string()) {
    order.key_text = *key;
  } else {
    if (!value.is_object()) wrong_type(value, "order_by", "a payload key or {\"key\": ..., \"direction\": ...}");
    allow_fields(value, "order_by", {"key", "direction", "start_from"});
    required_field(value, "key");
    order.key_text = *string_field(value, "key");
    const auto direction = string_field(value, "direction").value_or("asc");
    if (direction != "asc" && direction != "desc")
      format_error("unknown variant `" + direction + "` for `direction`, expected `asc` or `desc`");
    order.descending = direction == "desc";
    if (const auto start = field(value, "start_from")) {
      const auto first = key_of(*start);
      if (!first) wrong_type(*start, "start_from", "a number or a date");
      order.start_from = first->number;
    }
  }
  order.key = parse_field_path(order.key_text);
  return order;
}

std::vector<OrderedPoint> points_in_order(const OpenCollection& target, const OrderBy& order,
                                          const index::SelectedSlots* slots, std::size_t limit) {
  FirstInOrder first(order, limit);
  for_each_payload(target, slots, [&](const index::RowHeader& row, const JsonValue& payload) {
    for_each_value(order.key, payload, [&](const JsonValue& value) { first.offer(row, value); });
  });
  return first.take();
}

}  // namespace nestor::server
