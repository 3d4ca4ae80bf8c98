// Payload indexes: the answers of filters must not depend on them.
#include <algorithm>
#include <atomic>
#include <bit>
#include <random>
#include <thread>

#include "server/filter_reader.h"
#include "server/payload_terms.h"
#include "server/term_selection.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kPoints = "/collections/c/points";
const std::string kIndex = "/collections/c/index";

const std::vector<std::pair<std::string, std::string>> kIndexes = {
    {"word", "keyword"}, {"count", "integer"},      {"price", "float"}, {"open", "bool"},
    {"at", "datetime"},  {"owner", "uuid"},         {"list", "keyword"}, {"rooms[].size", "integer"},
    {"token", "integer"}};

// Values that sit on the edges of what the kinds can say.
const std::vector<std::string> kValues = {
    "\"red\"", "\"blue\"", "\"\"", "\"2024-02-29\"", "\"2024-02-29T00:00:00Z\"", "\"2025-01-01T10:00:00+02:00\"",
    "\"550e8400-e29b-41d4-a716-446655440000\"", "\"550E8400-E29B-41D4-A716-446655440000\"", "\"a\\u0000b\"", "3", "3.0",
    "-3", "0", "-0", "1e2", "0.1", "18446744073709551615", "18446744073709551616", "9007199254740993", "-1.5e-300",
    "true", "false", "null", "[]", "[null]", "[1,\"red\",true]", "[[1]]", "{}", "{\"x\":1}", "[3,4,5]"};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(engine_); }
  const std::string& value() { return kValues[below(kValues.size())]; }
  const std::string& key() { return kIndexes[below(7)].first; }

  std::string payload() {
    std::string out = "{";
    for (std::size_t i = 0; i < 7; ++i)
      if (below(4) != 0) out += "\"" + kIndexes[i].first + "\":" + value() + ",";
    out += "\"rooms\":[{\"size\":" + std::to_string(below(4)) + ",\"n\":1},{\"size\":" + value() + ",\"n\":2}]";
    if (below(2) == 0) out += ",\"token\":" + std::to_string(below(5));
    return out + "}";
  }

  std::string condition(int depth) {
    const std::string key = "{\"key\":\"" + this->key() + "\",";
    switch (below(depth > 0 ? 12 : 10)) {
      case 0: return key + "\"match\":{\"value\":" + scalar() + "}}";
      case 1: return key + "\"match\":{\"any\":[" + label() + "," + label() + "]}}";
      case 2: return key + "\"match\":{\"except\":[" + label() + "]}}";
      case 3: return key + "\"range\":{\"gte\":" + number() + ",\"lt\":" + number() + "}}";
      case 4: return key + "\"range\":{\"gt\":" + number() + "}}";
      case 5: return key + "\"range\":{\"lte\":\"2024-06-01\",\"gt\":\"2024-02-29\"}}";
      case 6: return key + "\"values_count\":{\"" + (below(2) ? "gte" : "lt") + "\":" + std::to_string(below(4)) + "}}";
      case 7: return below(2) ? "{\"is_empty\":{\"key\":\"" + this->key() + "\"}}" : "{\"is_null\":{\"key\":\"" + this->key() + "\"}}";
      case 8: return "{\"has_id\":[" + std::to_string(below(60)) + "," + std::to_string(below(60)) + "]}";
      case 9:
        return "{\"nested\":{\"key\":\"rooms\",\"filter\":{\"must\":[{\"key\":\"size\",\"match\":{\"value\":" +
               std::to_string(below(4)) + "}},{\"key\":\"n\",\"match\":{\"value\":2}}]}}}";
      case 10: return filter(depth - 1);
      default:
        return "{\"min_should\":{\"min_count\":2,\"conditions\":[" + condition(0) + "," + condition(0) + "," +
               condition(0) + "]}}";
    }
  }
  std::string filter(int depth) {
    std::string out = "{";
    for (const char* name : {"must", "should", "must_not"}) {
      if (below(2) == 0) continue;
      out += std::string(out.size() > 1 ? "," : "") + "\"" + name + "\":[" + condition(depth);
      if (below(2) == 0) out += "," + condition(depth);
      out += "]";
    }
    return out + "}";
  }

 private:
  std::string label() {  // strings and integers
    for (;;) {
      const std::string& v = value();
      if (v[0] == '"' || v.find_first_not_of("-0123456789") == std::string::npos) return v;
    }
  }
  std::string scalar() { return below(4) == 0 ? (below(2) ? "true" : "false") : label(); }
  std::string number() {
    static const std::vector<std::string> numbers = {"3", "3.0", "-3", "0", "100", "0.1", "18446744073709551615", "5e18",
                                                     "-1.5e-300", "9007199254740993", "9007199254740992"};
    return numbers[below(numbers.size())];
  }

  std::mt19937 engine_;
};

struct Indexed : ApiFixture {
  Indexed() {
    create(2);
    for (const auto& [field, kind] : kIndexes) index(field, "\"" + kind + "\"");
  }
  Reply index(const std::string& field, const std::string& schema) {
    return call("PUT", kIndex + "?wait=true", R"({"field_name":")" + field + R"(","field_schema":)" + schema + "}");
  }
  void write(int id, const std::string& payload) {
    const Reply reply = call("PUT", kPoints, R"({"points":[{"id":)" + std::to_string(id) + R"(,"vector":[1,)" +
                                                 std::to_string(id) + R"(],"payload":)" + payload + "}]}");
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
  }
  std::string ids(const std::string& filter) {
    const Reply reply = call("POST", "/collections/c/points/query", R"({"limit":200,"filter":)" + filter + "}");
    INFO(filter << "\n" << reply.raw.body);
    REQUIRE(reply.status == 200);
    return json(ids_of(reply.result()["points"])).dump();
  }
  std::string facets() {
    return call("POST", "/collections/c/facet", R"({"key":"word"})").result().dump();
  }
  void drop_indexes() {
    for (const auto& [field, kind] : kIndexes) CHECK(call("DELETE", kIndex + "/" + field).status == 200);
  }
};

}  // namespace

TEST_CASE("filters answer the same with payload indexes, while points come, change and go") {
  Random random(20261125);
  Indexed store;
  for (int id = 0; id < 60; ++id) store.write(id, random.payload());
  for (int step = 0; step < 60; ++step) {
    const std::string id = std::to_string(random.below(60));
    switch (random.below(5)) {
      case 0: store.write(std::stoi(id), random.payload()); break;
      case 1: store.call("POST", kPoints + "/delete", R"({"points":[)" + id + "]}"); break;
      case 2: store.call("POST", kPoints + "/payload", R"({"points":[)" + id + R"(],"payload":)" + random.payload() + "}"); break;
      case 3: store.call("PUT", kPoints + "/payload", R"({"points":[)" + id + R"(],"payload":)" + random.payload() + "}"); break;
      default: store.call("POST", kPoints + "/payload/clear", R"({"points":[)" + id + "]}"); break;
    }
  }
  std::vector<std::pair<std::string, std::string>> answers;
  for (int i = 0; i < 400; ++i) {
    const std::string filter = random.filter(2);
    answers.emplace_back(filter, store.ids(filter));
  }
  store.drop_indexes();
  CHECK(store.get("/collections/c").result()["payload_schema"].empty());
  // The cache of selections would answer for the indexes: a write empties it.
  store.call("PUT", kPoints, R"({"points":[{"id":1000,"vector":[1,1]}]})");
  store.call("POST", kPoints + "/delete", R"({"points":[1000]})");
  for (const auto& [filter, ids] : answers) {
    INFO(filter);
    CHECK(store.ids(filter) == ids);
  }
}

TEST_CASE("compactions take payload indexes along, with what changes meanwhile") {
  Random random(20261126);
  Indexed store;
  for (int id = 0; id < 60; ++id) store.write(id, random.payload());
  const auto collection = store.database->collection("c");
  std::atomic<bool> done{false};
  std::thread compactions([&] {
    while (!done) {
      collection->compact();
      // One index goes and comes, too: at any moment of a compaction.
      store.database->payload_indexes("c")->drop_index("word");
      store.index("word", R"("keyword")");
    }
  });
  for (int step = 0; step < 300; ++step) {
    const std::string id = std::to_string(random.below(60));
    switch (random.below(3)) {
      case 0: store.write(std::stoi(id), random.payload()); break;
      case 1: store.call("POST", kPoints + "/delete", R"({"points":[)" + id + "]}"); break;
      default: store.call("PUT", kPoints + "/payload", R"({"points":[)" + id + R"(],"payload":)" + random.payload() + "}");
    }
    store.ids(random.filter(1));
  }
  done = true;
  compactions.join();
  collection->compact();
  const auto indexes = store.database->payload_indexes("c")->payload_indexes();
  CHECK(indexes.size() == kIndexes.size());
  for (const auto& each : indexes) CHECK(each.complete);
  std::vector<std::pair<std::string, std::string>> answers;
  for (int i = 0; i < 200; ++i) {
    const std::string filter = random.filter(2);
    answers.emplace_back(filter, store.ids(filter));
  }
  store.drop_indexes();
  store.call("PUT", kPoints, R"({"points":[{"id":1000,"vector":[1,1]}]})");
  store.call("POST", kPoints + "/delete", R"({"points":[1000]})");
  for (const auto& [filter, ids] : answers) {
    INFO(filter);
    CHECK(store.ids(filter) == ids);
  }
}

TEST_CASE("an index alone decides where its terms say all") {
  Indexed store;
  store.write(1, R"({"word":"red","count":3})");
  store.write(2, R"({"word":["blue","red"],"count":7.5})");
  store.write(3, R"({"count":null})");
  Catalog catalog(*store.database);
  const OpenCollection target = catalog.open("c");
  const auto select = [&](const std::string& text) {
    const JsonDocument document(text);
    const auto filter = read_filter(document.root(), *target.schema, {});
    const auto terms = target.indexes->read_terms();
    const Selected found = select_by_terms(*filter, target, *terms, target->live_slots(terms->next_slot()));
    return std::pair{found.certain[0], found.possible[0]};
  };
  using Sets = std::pair<std::uint64_t, std::uint64_t>;
  CHECK(select(R"({"must":{"key":"word","match":{"value":"red"}}})") == Sets{0b011, 0b011});
  CHECK(select(R"({"must_not":{"key":"word","match":{"value":"blue"}}})") == Sets{0b101, 0b101});
  CHECK(select(R"({"must":{"key":"count","range":{"gt":2}}})") == Sets{0b001, 0b011});  // 7.5 is no integer
  CHECK(select(R"({"must":{"is_empty":{"key":"count"}}})") == Sets{0b100, 0b100});
  CHECK(select(R"({"must":{"is_null":{"key":"count"}}})") == Sets{0b100, 0b100});
  CHECK(select(R"({"must":[{"key":"word","match":{"value":"blue"}},{"key":"free","match":{"value":1}}]})") ==
        Sets{0, 0b010});
}

TEST_CASE("number terms are ordered and equal as numbers are") {
  const std::vector<long double> ascending = {-1e300L, -2, -1.5, -1, -1e-300L, 0, 5e-324L, 0.1L, 1, 9007199254740992.0L,
                                              9007199254740993.0L, 18446744073709551615.0L, 1e300L};
  for (std::size_t i = 1; i < ascending.size(); ++i) CHECK(number_term(ascending[i - 1]) < number_term(ascending[i]));
  CHECK(number_term(0.0L) == number_term(-0.0L));
  CHECK(integer_term("18446744073709551615") == number_term(18446744073709551615.0L));
  CHECK_FALSE(integer_term("18446744073709551616"));
  CHECK_FALSE(integer_term("1e3"));
  CHECK(datetime_term(-1) < datetime_term(0));
  CHECK(after("a\xFF") == "b");
}

TEST_CASE("an index is filled from the points there are and described") {
  ApiFixture fixture;
  fixture.create(2);
  fixture.fill_line(50, 2);
  const Reply made = fixture.call("PUT", kIndex + "?wait=true", R"({"field_name":"name","field_schema":"keyword"})");
  REQUIRE(made.status == 200);
  CHECK(made.result()["status"] == "completed");
  fixture.call("PUT", kIndex, R"({"field_name":"token","field_schema":{"type":"integer","range":true}})");
  const json schema = fixture.get("/collections/c").result()["payload_schema"];
  CHECK(schema["name"] == json::parse(R"({"data_type":"keyword","points":50})"));
  CHECK(schema["token"]["params"]["range"] == true);
  CHECK(fixture.post(kPoints + "/count", json::parse(R"({"filter":{"must":{"key":"token","match":{"value":2}}}})"))
            .result()["count"] == 17);
}

TEST_CASE("what cannot be indexed is refused") {
  ApiFixture fixture;
  fixture.create(2);
  const auto refusal = [&](const std::string& body) {
    const Reply reply = fixture.call("PUT", kIndex, body);
    CHECK(reply.status == 400);
    return reply.error();
  };
  CHECK(refusal(R"({"field_name":"a","field_schema":"geo"})").find("`geo` is not supported yet") != std::string::npos);
  CHECK(refusal(R"({"field_name":"a","field_schema":{"type":"text"}})").find("`text`") != std::string::npos);
  CHECK(refusal(R"({"field_name":"a","field_schema":"int"})").find("unknown variant `int`") != std::string::npos);
  CHECK(refusal(R"({"field_name":"a..b","field_schema":"bool"})").find("not a payload key") != std::string::npos);
  CHECK(refusal(R"({"field_name":"a"})").find("`field_schema` is missing") != std::string::npos);
  CHECK(fixture.call("PUT", "/collections/d/index", R"({"field_name":"a","field_schema":"bool"})").status == 404);
}

TEST_CASE("indexes survive a restart and catch up with writes that made no terms") {
  const std::string filter = R"({"must":{"key":"name","match":{"value":"7"}}})";
  tests::TemporaryDirectory directory;
  const auto count = [&](storage::Database& database) {
    Catalog catalog(database);
    const OpenCollection target = catalog.open("c");
    const JsonDocument document(filter);
    const auto terms = target.indexes->read_terms();
    const auto parsed = read_filter(document.root(), *target.schema, {});
    const Selected found = select_by_terms(*parsed, target, *terms, target->live_slots(terms->next_slot()));
    CHECK(found.certain == found.possible);
    std::size_t bits = 0;
    for (const std::uint64_t word : found.certain) bits += static_cast<std::size_t>(std::popcount(word));
    return bits;
  };
  {
    auto database = open_database(directory.path());
    Api api(*database, {});
    api.handle({"PUT", "/collections/c", R"({"vectors":{"size":2,"distance":"Euclid"}})", {}});
    api.handle({"PUT", kIndex, R"({"field_name":"name","field_schema":"keyword"})", {}});
    api.handle({"PUT", kPoints, R"({"points":[{"id":1,"vector":[1,1],"payload":{"name":"7"}}]})", {}});
    CHECK(count(*database) == 1);
  }
  {
    auto database = open_database(directory.path());  // nobody makes terms here
    const std::vector<float> vector{1, 2};
    const index::Point points[] = {{index::PointId::number(1), vector, R"({"name":"8"})", {}},
                                   {index::PointId::number(2), vector, R"({"name":"7"})", {}},
                                   {index::PointId::number(3), vector, R"({"name":"7"})", {}}};
    database->collection("c")->upsert(points);
    CHECK_FALSE(database->payload_indexes("c")->payload_indexes()[0].complete);
  }
  auto database = open_database(directory.path());
  Api api(*database, {});
  CHECK(count(*database) == 2);
}

}  // namespace nestor::server::testing
