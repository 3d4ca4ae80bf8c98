#include "server/filter_reader.h"

#include <charconv>

#include "server/datetime.h"
#include "server/fields.h"
#include "server/point_ids.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

bool is_integer(const JsonValue& value) {
  return value.is_number() && value.text().find_first_of(".eE") == std::string_view::npos;
}

void add_scalar(ScalarSet& set, const JsonValue& value, std::string_view name, bool take_booleans) {
  if (value.is_string())
    set.strings.insert(*value.as_string());
  else if (is_integer(value))
    set.integers.insert(value.text() == "-0" ? "0" : std::string(value.text()));
  else if (take_booleans && value.is_boolean())
    (*value.as_bool() ? set.has_true : set.has_false) = true;
  else
    wrong_type(value, name, take_booleans ? "a string, an integer or a boolean" : "a string or an integer");
}

class FilterReader {
 public:
  FilterReader(const Schema& schema, const RequestLimits& limits) : schema_(schema), limits_(limits) {}

  std::shared_ptr<const Filter> filter(const JsonValue& value) {
    allow_fields(value, "filter", {"must", "should", "must_not", "min_should"});
    auto out = std::make_shared<Filter>();
    conditions(value, "must", out->must);
    conditions(value, "should", out->should);
    conditions(value, "must_not", out->must_not);
    if (const auto least = field(value, "min_should")) {
      allow_fields(*least, "min_should", {"conditions", "min_count"});
      required_field(*least, "conditions");
      conditions(*least, "conditions", out->min_should);
      out->min_count = integer_value(required_field(*least, "min_count"), "min_count");
    }
    return out;
  }

 private:
  // A list of conditions, or one without the list.
  void conditions(const JsonValue& object, std::string_view name, std::vector<Condition>& out) {
    const auto value = field(object, name);
    if (!value) return;
    if (!value->is_array()) {
      expect_object(*value, name);
      out.push_back(condition(*value));
      return;
    }
    for (const JsonValue& item : value->items()) {
      expect_object(item, name);
      out.push_back(condition(item));
    }
  }

  Condition condition(const JsonValue& value) {
    if (++conditions_ > limits_.filter_conditions)
      wrong_input("a filter of more than " + std::to_string(limits_.filter_conditions) + " conditions");
    if (value.find("key")) return field_condition(value);
    if (value.find("slice")) not_supported("`slice` in a filter");
    if (const auto empty = only(value, "is_empty")) return IsEmpty{key_of(*empty, "is_empty")};
    if (const auto null = only(value, "is_null")) return IsNull{key_of(*null, "is_null")};
    if (const auto ids = only(value, "has_id")) return has_id(*ids);
    if (const auto nested = only(value, "nested")) return nested_condition(*nested);
    if (const auto name = only(value, "has_vector")) {
      if (!name->is_string()) wrong_type(*name, "has_vector", "a vector name");
      return Constant{*name->as_string() == schema_.vector_name};  // every point has the one vector
    }
    return SubFilter{filter(value)};
  }

  static std::optional<JsonValue> only(const JsonValue& object, std::string_view name) {
    const auto value = object.find(name);
    if (value) allow_fields(object, "filter condition", {name});
    return value;
  }

  static FieldPath key_of(const JsonValue& value, std::string_view name) {
    allow_fields(value, name, {"key"});
    return path_field(value, "key");
  }

  Condition has_id(const JsonValue& value) const {
    if (in_nested_) wrong_input("`has_id` cannot stand inside `nested`");
    const auto ids = read_ids(value, "has_id", limits_.points);
    return HasId{{ids.begin(), ids.end()}};
  }

  Condition nested_condition(const JsonValue& value) {
    allow_fields(value, "nested", {"key", "filter"});
    FieldPath key = path_field(value, "key");
    const bool outer = std::exchange(in_nested_, true);
    auto inner = filter(required_field(value, "filter"));
    in_nested_ = outer;
    return NestedCondition{std::move(key), std::move(inner)};
  }

  static Condition field_condition(const JsonValue& value) {
    for (const std::string_view geo : {"geo_bounding_box", "geo_radius", "geo_polygon"})
      if (field(value, geo)) not_supported("`" + std::string(geo) + "` in a filter");
    allow_fields(value, "filter condition",
                 {"key", "match", "range", "values_count", "is_empty", "is_null", "geo_bounding_box", "geo_radius",
                  "geo_polygon"});
    FieldPath key = path_field(value, "key");
    std::optional<Condition> found;
    const auto take = [&](Condition condition) {
      if (found) format_error("a filter condition holds one of `match`, `range`, `values_count`, ..., not several");
      found = std::move(condition);
    };
    if (const auto v = field(value, "match")) take(match(key, *v));
    if (const auto v = field(value, "range")) take(range(key, *v));
    if (const auto v = field(value, "values_count")) take(ValuesCount{key, counts(*v)});
    if (const auto v = bool_field(value, "is_empty")) take(IsEmpty{key, *v});
    if (const auto v = bool_field(value, "is_null")) take(IsNull{key, *v});
    if (!found)
      validation_error("filter",
                       "At least one field condition must be specified: `match`, `range`, `values_count`, "
                       "`is_empty` or `is_null` beside `key`");
    return *std::move(found);
  }

  static Condition match(const FieldPath& key, const JsonValue& value) {
    expect_object(value, "match");
    for (const std::string_view text : {"text", "text_any", "phrase", "prefix"})
      if (value.find(text)) not_supported("`" + std::string(text) + "` in `match`");
    allow_fields(value, "match", {"value", "any", "except"});
    MatchCondition condition{key, {}, false};
    const auto one = field(value, "value"), any = field(value, "any"), except = field(value, "except");
    if (one.has_value() + any.has_value() + except.has_value() != 1)
      format_error("`match` needs either `value`, `any` or `except`");
    if (one) {
      add_scalar(condition.values, *one, "value", true);
      return condition;
    }
    const std::string_view name = any ? "any" : "except";
    const JsonValue& list = any ? *any : *except;
    expect_array(list, name);
    for (const JsonValue& item : list.items()) add_scalar(condition.values, item, name, false);
    condition.except = except.has_value();
    return condition;
  }

  static Condition range(const FieldPath& key, const JsonValue& value) {
    allow_fields(value, "range", {"lt", "gt", "gte", "lte"});
    for (const auto& [name, bound] : value.members())
      if (bound.is_string()) return DatetimeRange{key, bounds<std::int64_t>(value, datetime_bound)};
    return NumberRange{key, bounds<long double>(value, number_bound)};
  }

  static Bounds<std::uint64_t> counts(const JsonValue& value) {
    allow_fields(value, "values_count", {"lt", "gt", "gte", "lte"});
    return bounds<std::uint64_t>(value,
                                 [](const JsonValue& v, std::string_view name) { return integer_value(v, name); });
  }

  template <typename T, typename Read>
  static Bounds<T> bounds(const JsonValue& value, const Read& read) {
    Bounds<T> out;
    if (const auto v = field(value, "lt")) out.lt = read(*v, "lt");
    if (const auto v = field(value, "gt")) out.gt = read(*v, "gt");
    if (const auto v = field(value, "gte")) out.gte = read(*v, "gte");
    if (const auto v = field(value, "lte")) out.lte = read(*v, "lte");
    return out;
  }

  static long double number_bound(const JsonValue& value, std::string_view name) {
    if (!value.is_number()) wrong_type(value, name, "a number or a date");
    const std::string_view text = value.text();
    long double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }

  static std::int64_t datetime_bound(const JsonValue& value, std::string_view name) {
    const auto text = value.as_string();
    const auto moment = text ? parse_datetime(*text) : std::nullopt;
    if (!moment) wrong_type(value, name, "a date as in RFC 3339 (the other bounds of this range are dates)");
    return *moment;
  }

  const Schema& schema_;
  const RequestLimits& limits_;
  std::size_t conditions_ = 0;
  bool in_nested_ = false;
};

}  // namespace

std::shared_ptr<const Filter> read_filter(const JsonValue& value, const Schema& schema, const RequestLimits& limits) {
  return FilterReader(schema, limits).filter(value);
}

}  // namespace nestor::server
