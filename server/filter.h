#pragma once
// Filters over ids and payloads: the conditions of the dialect as data, and whether a point meets them.
//
// A condition looks at every value its path leads to; a list counts as its elements, and one element that fits is
// enough. Equality is exact: integers of any size by their digits, 3 is not 3.0 and not "3". Ranges compare numbers
// with the 64 bits of a long double's mantissa, so that integers beyond 2^53 keep their order.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "index/types.h"
#include "server/field_path.h"
#include "server/json_view.h"

namespace nestor::server {

// Strings, integers and booleans.
struct ScalarSet {
  std::unordered_set<std::string> strings;
  std::unordered_set<std::string> integers;  // as written, "-0" as "0"
  bool has_true = false, has_false = false;

  bool contains(const JsonValue& value) const;
};

template <typename T>
struct Bounds {
  std::optional<T> lt, gt, gte, lte;

  bool hold(T value) const {
    return (!lt || value < *lt) && (!gt || value > *gt) && (!gte || value >= *gte) && (!lte || value <= *lte);
  }
};

struct MatchCondition {
  FieldPath key;
  ScalarSet values;
  bool except = false;  // any scalar that is not one of the values; null and objects never fit
};
struct NumberRange {
  FieldPath key;
  Bounds<long double> bounds;
};
struct DatetimeRange {
  FieldPath key;
  Bounds<std::int64_t> bounds;  // microseconds, see parse_datetime
};
// How many elements a list has; any other value counts 1, null or nothing 0. "a[]" counts as "a" does, all elements
// together; of several values at a key ("a[].b") one whose own count fits is enough.
struct ValuesCount {
  FieldPath key;
  Bounds<std::uint64_t> bounds;

  bool each_by_itself() const { return key.steps.back().kind == FieldPath::Kind::key; }
};
// Nothing there, null, or a list without elements.
struct IsEmpty {
  FieldPath key;
  bool expected = true;
};
struct IsNull {
  FieldPath key;
  bool expected = true;
};
struct HasId {
  std::unordered_set<index::PointId, index::PointIdHash> ids;
};
struct Constant {
  bool value = true;
};
struct Filter;
// One element of the list at `key` meets the whole filter by itself.
struct NestedCondition {
  FieldPath key;
  std::shared_ptr<const Filter> filter;
};
struct SubFilter {
  std::shared_ptr<const Filter> filter;
};

using Condition = std::variant<MatchCondition, NumberRange, DatetimeRange, ValuesCount, IsEmpty, IsNull, HasId, Constant,
                               NestedCondition, SubFilter>;

// All of must, one of should (if there is any), none of must_not, at least min_count of min_should.
struct Filter {
  std::vector<Condition> must, should, must_not, min_should;
  std::size_t min_count = 0;

  // `payload` is an object.
  bool accepts(const index::PointId& id, const JsonValue& payload) const;
  // False: ids alone decide.
  bool reads_payload() const;
  // The points outside of which nothing is accepted, where a has_id in `must` says so.
  std::optional<std::vector<index::PointId>> candidates() const;
};

}  // namespace nestor::server
