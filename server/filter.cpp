#include "server/filter.h"

#include <algorithm>
#include <charconv>

#include "server/datetime.h"

namespace nestor::server {
namespace {

// The values of a path, lists replaced by their elements, until `fits` returns true.
template <typename Fits>
bool any_value(const FieldPath& key, const JsonValue& payload, const Fits& fits) {
  for (const JsonValue& value : values_at(key, payload)) {
    if (!value.is_array()) {
      if (fits(value)) return true;
      continue;
    }
    const auto items = value.items();
    if (std::any_of(items.begin(), items.end(), fits)) return true;
  }
  return false;
}

std::uint64_t count_of(const JsonValue& value) { return value.is_array() ? value.size() : value.is_null() ? 0 : 1; }

class Evaluation {
 public:
  Evaluation(const index::PointId& id, const JsonValue& payload) : id_(id), payload_(payload) {}

  bool operator()(const MatchCondition& c) const {
    return any_value(c.key, payload_, [&](const JsonValue& value) {
      if (!c.except) return c.values.contains(value);
      return !value.is_null() && !value.is_object() && !c.values.contains(value);
    });
  }
  bool operator()(const NumberRange& c) const {
    return any_value(c.key, payload_, [&](const JsonValue& value) {
      if (!value.is_number()) return false;
      const std::string_view text = value.text();
      long double number = 0;
      std::from_chars(text.data(), text.data() + text.size(), number);
      return c.bounds.hold(number);
    });
  }
  bool operator()(const DatetimeRange& c) const {
    return any_value(c.key, payload_, [&](const JsonValue& value) {
      const auto text = value.as_string();
      const auto moment = text ? parse_datetime(*text) : std::nullopt;
      return moment && c.bounds.hold(*moment);
    });
  }
  bool operator()(const ValuesCount& c) const {
    const auto values = values_at(c.key, payload_);
    if (values.empty() || !c.each_by_itself()) {
      std::uint64_t count = 0;
      for (const JsonValue& value : values) count += count_of(value);
      return c.bounds.hold(count);
    }
    return std::any_of(values.begin(), values.end(), [&](const JsonValue& v) { return c.bounds.hold(count_of(v)); });
  }
  bool operator()(const IsEmpty& c) const {
    const auto values = values_at(c.key, payload_);
    const bool empty = std::all_of(values.begin(), values.end(), [](const JsonValue& value) {
      return value.is_null() || (value.is_array() && value.size() == 0);
    });
    return empty == c.expected;
  }
  bool operator()(const IsNull& c) const {
    const auto values = values_at(c.key, payload_);
    const bool null = std::any_of(values.begin(), values.end(), [](const JsonValue& v) { return v.is_null(); });
    return null == c.expected;
  }
  bool operator()(const HasId& c) const { return c.ids.contains(id_); }
  bool operator()(const Constant& c) const { return c.value; }
  bool operator()(const NestedCondition& c) const {
    return any_value(c.key, payload_, [&](const JsonValue& element) {
      return element.is_object() && c.filter->accepts(id_, element);
    });
  }
  bool operator()(const SubFilter& c) const { return c.filter->accepts(id_, payload_); }

 private:
  const index::PointId& id_;
  const JsonValue& payload_;
};

bool condition_reads_payload(const Condition& condition) {
  if (const auto* sub = std::get_if<SubFilter>(&condition)) return sub->filter->reads_payload();
  return !std::holds_alternative<HasId>(condition) && !std::holds_alternative<Constant>(condition);
}

}  // namespace

bool ScalarSet::contains(const JsonValue& value) const {
  switch (value.kind()) {
    case JsonKind::boolean: return *value.as_bool() ? has_true : has_false;
    case JsonKind::string: return !strings.empty() && strings.contains(*value.as_string());
    case JsonKind::number:
      return !integers.empty() && integers.contains(value.text() == "-0" ? "0" : std::string(value.text()));
    default: return false;
  }
}

bool Filter::accepts(const index::PointId& id, const JsonValue& payload) const {
  const Evaluation evaluation(id, payload);
  const auto met = [&](const Condition& condition) { return std::visit(evaluation, condition); };
  if (!std::all_of(must.begin(), must.end(), met) || std::any_of(must_not.begin(), must_not.end(), met)) return false;
  if (!should.empty() && std::none_of(should.begin(), should.end(), met)) return false;
  std::size_t count = 0;
  for (auto it = min_should.begin(); it != min_should.end() && count < min_count; ++it) count += met(*it) ? 1 : 0;
  return count >= min_count;
}

bool Filter::reads_payload() const {
  for (const auto* list : {&must, &should, &must_not, &min_should})
    if (std::any_of(list->begin(), list->end(), condition_reads_payload)) return true;
  return false;
}

std::optional<std::vector<index::PointId>> Filter::candidates() const {
  const HasId* fewest = nullptr;
  for (const Condition& condition : must)
    if (const auto* ids = std::get_if<HasId>(&condition); ids && (!fewest || ids->ids.size() < fewest->ids.size()))
      fewest = ids;
  if (fewest) return std::vector<index::PointId>(fewest->ids.begin(), fewest->ids.end());
  return std::nullopt;
}

}  // namespace nestor::server
