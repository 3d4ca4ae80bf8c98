#include "server/filter.h"

#include "server/datetime.h"
#include "server/filter_reader.h"
#include "server/protocol.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

constexpr std::string_view kBook = R"({"title": "Bleak House", "year": 1853, "price": 9.5, "big": 9007199254740993,
  "huge": 18446744073709551615, "in_print": true, "minus": -3, "zero": 0, "nothing": null, "none": [], "tags": ["law", "fog", 7],
  "printed": "1853-09-12T00:00:00Z", "seen": ["2024-01-01", "2025-01-01T12:00:00+02:00"], "matrix": [[1, 2], [3]],
  "author": {"name": "Dickens", "first.name": "Charles"}, "holes": [1, null], "s\u00fc": "\u00fc",
  "editions": [{"year": 1853, "pages": 624}, {"year": 1868, "pages": 800}, 5]})";

std::shared_ptr<const Filter> read(const std::string& text, const RequestLimits& limits = {}) {
  const JsonDocument document(text);
  return read_filter(document.root(), {"text"}, limits);
}

bool accepts(const std::string& filter, std::uint64_t id = 1) {
  const JsonDocument payload(kBook);
  return read(filter)->accepts(index::PointId::number(id), payload.root());
}

// One condition as the only one of `must`.
bool fits(const std::string& condition) { return accepts("{\"must\":[" + condition + "]}"); }
bool field_fits(const std::string& key, const std::string& rest) {
  return fits("{\"key\":\"" + key + "\"," + rest + "}");
}

std::string refusal(const std::string& text, const RequestLimits& limits = {}) {
  try {
    read(text, limits);
  } catch (const HttpError& error) {
    CHECK((error.status() == 400 || error.status() == 422));
    return error.message();
  }
  return "no error";
}

}  // namespace

TEST_CASE("match compares strings, integers and booleans exactly") {
  CHECK(field_fits("title", R"("match":{"value":"Bleak House"})"));
  CHECK_FALSE(field_fits("title", R"("match":{"value":"bleak house"})"));
  CHECK(field_fits("year", R"("match":{"value":1853})"));
  CHECK_FALSE(field_fits("year", R"("match":{"value":"1853"})"));
  CHECK_FALSE(field_fits("price", R"("match":{"value":9})"));
  CHECK(field_fits("minus", R"("match":{"value":-3})"));
  CHECK(field_fits("zero", R"("match":{"value":-0})"));
  CHECK(field_fits("big", R"("match":{"value":9007199254740993})"));
  CHECK_FALSE(field_fits("big", R"("match":{"value":9007199254740992})"));
  CHECK(field_fits("huge", R"("match":{"value":18446744073709551615})"));
  CHECK(field_fits("in_print", R"("match":{"value":true})"));
  CHECK_FALSE(field_fits("in_print", R"("match":{"value":false})"));
  CHECK_FALSE(field_fits("nothing", R"("match":{"value":false})"));
  CHECK_FALSE(field_fits("absent", R"("match":{"value":1})"));
  CHECK(field_fits("s\u00fc", R"("match":{"value":"ü"})"));
}

TEST_CASE("match any and except take lists, and one element of a list is enough") {
  CHECK(field_fits("tags", R"("match":{"value":"fog"})"));
  CHECK(field_fits("tags", R"("match":{"value":7})"));
  CHECK(field_fits("tags", R"("match":{"any":["rain","law"]})"));
  CHECK(field_fits("year", R"("match":{"any":[1,1853]})"));
  CHECK_FALSE(field_fits("tags", R"("match":{"any":["rain"]})"));
  CHECK_FALSE(field_fits("tags", R"("match":{"any":[]})"));
  CHECK(field_fits("tags", R"("match":{"except":["law"]})"));
  CHECK_FALSE(field_fits("tags", R"("match":{"except":["law","fog",7]})"));
  CHECK(field_fits("year", R"("match":{"except":[1854]})"));
  CHECK_FALSE(field_fits("year", R"("match":{"except":[1853]})"));
  CHECK_FALSE(field_fits("nothing", R"("match":{"except":[1]})"));
  CHECK_FALSE(field_fits("author", R"("match":{"except":[1]})"));
  CHECK_FALSE(field_fits("absent", R"("match":{"except":[1]})"));
}

TEST_CASE("ranges compare numbers and dates") {
  CHECK(field_fits("year", R"("range":{"gte":1853,"lt":1854})"));
  CHECK_FALSE(field_fits("year", R"("range":{"gt":1853})"));
  CHECK(field_fits("price", R"("range":{"gt":9,"lte":9.5})"));
  CHECK(field_fits("big", R"("range":{"gt":9007199254740992})"));  // one more than a double can tell
  CHECK_FALSE(field_fits("big", R"("range":{"gt":9007199254740993})"));
  CHECK(field_fits("year", R"("range":{})"));
  CHECK_FALSE(field_fits("title", R"("range":{})"));
  CHECK(field_fits("printed", R"("range":{"gte":"1853-01-01T00:00:00Z","lt":"1854-01-01"})"));
  CHECK_FALSE(field_fits("printed", R"("range":{"gt":"1853-09-12"})"));
  CHECK(field_fits("seen", R"("range":{"gte":"2025-01-01T10:00:00Z"})"));
  CHECK_FALSE(field_fits("seen", R"("range":{"gt":"2025-01-01T10:00:00Z"})"));
  CHECK_FALSE(field_fits("year", R"("range":{"gt":"1800-01-01"})"));
  CHECK_FALSE(field_fits("title", R"("range":{"gt":"1800-01-01"})"));
}

TEST_CASE("empty, null and counted values") {
  for (const std::string key : {"absent", "nothing", "none", "author.absent"}) {
    INFO(key);
    CHECK(fits(R"({"is_empty":{"key":")" + key + "\"}}"));
    CHECK(field_fits(key, R"("is_empty":true)"));
    CHECK_FALSE(field_fits(key, R"("is_empty":false)"));
    CHECK(field_fits(key, R"("values_count":{"lte":0})"));
  }
  CHECK_FALSE(fits(R"({"is_empty":{"key":"zero"}})"));
  CHECK(fits(R"({"is_null":{"key":"nothing"}})"));
  CHECK_FALSE(fits(R"({"is_null":{"key":"absent"}})"));
  CHECK_FALSE(fits(R"({"is_null":{"key":"zero"}})"));
  CHECK(fits(R"({"is_null":{"key":"holes[]"}})"));
  CHECK(field_fits("absent", R"("is_null":false)"));
  CHECK(field_fits("tags", R"("values_count":{"gte":3,"lt":4})"));
  CHECK(field_fits("title", R"("values_count":{"gt":0,"lte":1})"));
}

TEST_CASE("paths lead into objects and lists") {
  CHECK(field_fits("author.name", R"("match":{"value":"Dickens"})"));
  CHECK(field_fits(R"(author.\"first.name\")", R"("match":{"value":"Charles"})"));
  CHECK(field_fits("editions[].year", R"("match":{"value":1868})"));
  CHECK(field_fits("editions[1].year", R"("match":{"value":1868})"));
  CHECK_FALSE(field_fits("editions[0].year", R"("match":{"value":1868})"));
  CHECK_FALSE(field_fits("editions[9].year", R"("match":{"value":1868})"));
  CHECK_FALSE(field_fits("editions.year", R"("match":{"value":1868})"));
  CHECK(field_fits("matrix[]", R"("match":{"value":3})"));
  CHECK(field_fits("matrix[0][1]", R"("match":{"value":2})"));
  for (const std::string bad : {"", ".", "a.", ".a", "a[", "a[x]", "a[-1]", "[]", "a]", "a[]b", "\\\"a"})
    CHECK(refusal(R"({"must":[{"key":")" + bad + R"(","match":{"value":1}}]})").find("is not a payload key") !=
          std::string::npos);
}

TEST_CASE("a nested filter holds for one element by itself") {
  const auto nested = [](const std::string& filter) {
    return fits(R"({"nested":{"key":"editions","filter":)" + filter + "}}");
  };
  const std::string of_1853 = R"({"key":"year","match":{"value":1853}})";
  const std::string thick = R"({"key":"pages","range":{"gt":700}})";
  CHECK(nested(R"({"must":[)" + of_1853 + "]}"));
  CHECK_FALSE(nested(R"({"must":[)" + of_1853 + "," + thick + "]}"));
  CHECK(nested(R"({"must":)" + thick + R"(,"must_not":)" + of_1853 + "}"));
  CHECK(fits(R"({"nested":{"key":"editions[]","filter":{"must":[)" + thick + "]}}}"));
  CHECK_FALSE(fits(R"({"nested":{"key":"author.name","filter":{}}})"));
}

TEST_CASE("clauses are joined as the dialect says") {
  const std::string yes = R"({"has_id":[1]})", no = R"({"has_id":[2]})";
  const auto list = [](const std::string& name, const std::string& conditions) {
    return "{\"" + name + "\":[" + conditions + "]}";
  };
  CHECK(accepts("{}"));
  CHECK(accepts(R"({"must":null,"should":[],"must_not":[]})"));
  CHECK(accepts(list("must", yes + "," + yes)));
  CHECK_FALSE(accepts(list("must", yes + "," + no)));
  CHECK(accepts(list("should", no + "," + yes)));
  CHECK_FALSE(accepts(list("should", no)));
  CHECK(accepts(list("must_not", no)));
  CHECK_FALSE(accepts(list("must_not", no + "," + yes)));
  CHECK(accepts(R"({"must":)" + yes + R"(,"should":)" + yes + R"(,"must_not":)" + no + "}"));
  const auto least = [&](int count) {
    return R"({"min_should":{"conditions":[)" + yes + "," + no + "," + yes + R"(],"min_count":)" +
           std::to_string(count) + "}}";
  };
  CHECK(accepts(least(0)));
  CHECK(accepts(least(2)));
  CHECK_FALSE(accepts(least(3)));
  CHECK(accepts(list("must_not", list("must", yes + "," + no))));
  CHECK(accepts(list("must", R"({"has_vector":"text"})")));
  CHECK_FALSE(accepts(list("must", R"({"has_vector":"image"})")));
}

TEST_CASE("a filter knows whether it needs payloads and which points it can accept") {
  CHECK_FALSE(read(R"({"must":[{"has_id":[1]}],"must_not":[{"should":[{"has_id":[2]}]}]})")->reads_payload());
  CHECK(read(R"({"must":[{"should":[{"is_null":{"key":"a"}}]}]})")->reads_payload());
  CHECK(read(R"({"must":[{"has_id":[1,2]},{"has_id":[2]}]})")->candidates() ==
        std::vector{index::PointId::number(2)});
  CHECK_FALSE(read(R"({"should":[{"has_id":[1]}]})")->candidates().has_value());
}

TEST_CASE("what a filter does not know is refused by name") {
  const auto names = [](const std::string& text, const std::string& word) {
    INFO(text);
    CHECK(refusal(text).find(word) != std::string::npos);
  };
  names(R"([])", "expected an object");
  names(R"({"musst":[]})", "unknown field `musst`");
  names(R"({"must":3})", "for `must`");
  names(R"({"must":[3]})", "for `must`");
  names(R"({"must":[{"kee":"a"}]})", "unknown field `kee`");
  names(R"({"must":[{"key":"a"}]})", "`match`, `range`");
  names(R"({"must":[{"key":3,"match":{"value":1}}]})", "a payload key");
  names(R"({"must":[{"key":"a","match":{"value":1},"range":{}}]})", "not several");
  names(R"({"must":[{"key":"a","match":{"value":1},"x":1}]})", "unknown field `x`");
  names(R"({"must":[{"key":"a","match":{}}]})", "either `value`");
  names(R"({"must":[{"key":"a","match":{"value":1.5}}]})", "a string, an integer or a boolean");
  names(R"({"must":[{"key":"a","match":{"any":[true]}}]})", "a string or an integer");
  names(R"({"must":[{"key":"a","match":{"any":1}}]})", "a list");
  names(R"({"must":[{"key":"a","match":{"text":"x"}}]})", "`text` in `match` is not supported yet");
  names(R"({"must":[{"key":"a","match":{"value":1,"vaule":1}}]})", "unknown field `vaule`");
  names(R"({"must":[{"key":"a","range":{"gt":"yesterday"}}]})", "RFC 3339");
  names(R"({"must":[{"key":"a","range":{"gt":"2024-01-01","lt":5}}]})", "RFC 3339");
  names(R"({"must":[{"key":"a","range":{"gt":true}}]})", "a number or a date");
  names(R"({"must":[{"key":"a","range":{"above":1}}]})", "unknown field `above`");
  names(R"({"must":[{"key":"a","values_count":{"gt":-1}}]})", "unsigned integer");
  names(R"({"must":[{"key":"a","geo_radius":{}}]})", "`geo_radius` in a filter is not supported yet");
  names(R"({"must":[{"slice":{"total":2,"index":0}}]})", "`slice`");
  names(R"({"must":[{"has_id":["x"]}]})", "not a valid point ID");
  names(R"({"must":[{"has_id":[1],"extra":1}]})", "unknown field `extra`");
  names(R"({"must":[{"nested":{"key":"a"}}]})", "missing field `filter`");
  names(R"({"must":[{"nested":{"key":"a","filter":{"must":[{"has_id":[1]}]}}}]})", "inside `nested`");
  names(R"({"min_should":{"conditions":[]}})", "missing field `min_count`");
  CHECK(refusal(R"({"must":[{"has_id":[1]},{"must":[{"has_id":[1]}]}]})", {.filter_conditions = 2}) ==
        "Wrong input: a filter of more than 2 conditions");
  CHECK(refusal(R"({"must":[{"has_id":[1,2,3]}]})", {.points = 2}).find("3 ids in `has_id`") != std::string::npos);
}

TEST_CASE("moments are read in RFC 3339 and its shorter forms, and nothing else") {
  CHECK(parse_datetime("1970-01-01") == 0);
  CHECK(parse_datetime("1970-01-01T00:00:01.5Z") == 1'500'000);
  CHECK(parse_datetime("1970-01-01 00:01") == 60'000'000);
  CHECK(parse_datetime("1970-01-01T02:00:00+02:00") == 0);
  CHECK(parse_datetime("1969-12-31t23:59:59.1234567-00:00") == -876'544);
  CHECK(parse_datetime("2024-02-29T00:00:00z").has_value());
  for (const std::string_view bad : {"", "1970", "1970-1-1", "2023-02-29", "1970-01-01T", "1970-01-01T24:00:00Z",
                                     "1970-01-01T00:00:00X", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Z ",
                                     "1970-13-01", "1970-01-01T00:00:00+", "x970-01-01", "1970-01-01T00:00:00+25:00"})
    CHECK_FALSE(parse_datetime(bad).has_value());
}

}  // namespace nestor::server::testing
