#include "server/payload_edit.h"
#include "server/protocol.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kPoints = "/collections/c/points";

// Points 1..3 on a line, see fill_line.
struct Line : ApiFixture {
  Line() {
    create(2);
    fill_line(3, 2);
  }
  Reply send(const std::string& method, const std::string& last, const std::string& body) {
    return call(method, kPoints + last, body);
  }
  json payload(int id) { return get(kPoints + "/" + std::to_string(id)).result()["payload"]; }
  std::uint64_t sequence() { return database->collection("c")->info().sequence; }
};

std::string merged(const std::string& stored, const std::string& payload, const std::string& key = "") {
  PayloadEdit edit;
  edit.kind = PayloadEdit::Kind::merge;
  edit.payload = payload;
  if (!key.empty()) edit.key = parse_field_path(key);
  return edit.apply(stored, {}).payload;
}

std::string removed(const std::string& stored, const std::vector<std::string>& keys) {
  PayloadEdit edit;
  edit.kind = PayloadEdit::Kind::remove_keys;
  for (const std::string& key : keys) edit.keys.push_back(parse_field_path(key));
  return edit.apply(stored, {}).payload;
}

}  // namespace

TEST_CASE("a merge changes the named keys and keeps every other byte") {
  CHECK(merged("", R"({"a":1})") == R"({"a":1})");
  CHECK(merged(R"({"b": 1e3, "a":1,"c":18446744073709551616})", R"({"a": [2 ]})") ==
        R"({"b":1e3,"c":18446744073709551616,"a":[2 ]})");
  CHECK(merged(R"({"a":{"b":1,"c":2}})", R"({"a":{"d":3}})") == R"({"a":{"d":3}})");
  CHECK(merged(R"({"a":{"b":1,"c":2}})", R"({"d":3})", "a") == R"({"a":{"b":1,"c":2,"d":3}})");
  CHECK(merged(R"({"x":1})", R"({"d":3})", "a.b") == R"({"x":1,"a":{"b":{"d":3}}})");
  CHECK(merged(R"({"a":5})", R"({"d":3})", "a") == R"({"a":{"d":3}})");
  CHECK(merged(R"({"a":[{"b":1},2]})", R"({"d":3})", "a[]") == R"({"a":[{"b":1,"d":3},{"d":3}]})");
  CHECK(merged(R"({"a":[{"b":1},{}]})", R"({"d":3})", "a[1]") == R"({"a":[{"b":1},{"d":3}]})");
  CHECK(merged(R"({"a":[1]})", R"({"d":3})", "a[4]") == R"({"a":[1]})");
}

TEST_CASE("keys are removed by path") {
  CHECK(removed(R"({"a":1,"b":2})", {"a", "x"}) == R"({"b":2})");
  CHECK(removed(R"({"a":1})", {"a"}).empty());
  CHECK(removed(R"({"a":{"b":1,"c":2}})", {"a.b", "a.b.c"}) == R"({"a":{"c":2}})");
  CHECK(removed(R"({"a":[{"b":1,"c":2},{"b":3},4]})", {"a[].b"}) == R"({"a":[{"c":2},{},4]})");
  CHECK(removed(R"({"a":[1,2,3]})", {"a[1]"}) == R"({"a":[1,3]})");
  CHECK(removed(R"({"a":[1,2,3]})", {"a[]"}) == R"({"a":[]})");
  CHECK(removed(R"({"a": {"b":1}})", {"a.c"}) == R"({"a": {"b":1}})");
}

TEST_CASE("a payload cannot grow without bound") {
  const std::string large = "{\"a\":\"" + std::string(kMaxPayloadBytes - 100, 'x') + "\"}";
  CHECK_THROWS_AS(merged(large, "{\"b\":\"" + std::string(200, 'x') + "\"}"), HttpError);
}

TEST_CASE("payloads are set, overwritten, cut and cleared by id") {
  Line line;
  const Reply set = line.send("POST", "/payload?wait=true", R"({"payload":{"name":"one","new":true},"points":[1]})");
  REQUIRE(set.status == 200);
  CHECK(set.result()["status"] == "completed");
  CHECK(set.result()["operation_id"] == line.sequence());
  CHECK(line.payload(1) == json::parse(R"({"token":1,"name":"one","new":true})"));
  CHECK(line.payload(2)["name"] == "2");
  CHECK(line.send("POST", "/payload", R"({"payload":{"x":1},"key":"deep.er","points":[1]})").status == 200);
  CHECK(line.payload(1)["deep"]["er"]["x"] == 1);
  CHECK(line.send("POST", "/payload/delete", R"({"keys":["deep.er","name"],"points":[1,2]})").status == 200);
  CHECK(line.payload(1) == json::parse(R"({"token":1,"new":true,"deep":{}})"));
  CHECK(line.send("PUT", "/payload", R"({"payload":{"only":1},"points":[2,2]})").status == 200);
  CHECK(line.payload(2) == json::parse(R"({"only":1})"));
  CHECK(line.send("POST", "/payload/clear", R"({"points":[1]})").status == 200);
  CHECK(line.payload(1) == json::object());
  CHECK(line.get(kPoints + "/1").status == 200);
  // Vectors are as they were, and every point is found once.
  const Reply found = line.send("POST", "/query", R"({"query":[1,0],"with_vector":true})");
  CHECK(ids_of(found.result()["points"]) == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(found.result()["points"][1]["vector"] == json::parse("[2,0]"));
}

TEST_CASE("payloads are changed by filter") {
  Line line;
  const std::string filter = R"("filter":{"must":[{"key":"token","range":{"gte":1}}]})";
  CHECK(line.send("POST", "/payload", R"({"payload":{"seen":true},)" + filter + "}").status == 200);
  CHECK(line.payload(1)["seen"] == true);
  CHECK(line.payload(2)["seen"] == true);
  CHECK_FALSE(line.payload(3).contains("seen"));
  CHECK(line.send("POST", "/payload/clear", "{" + filter + "}").status == 200);
  const auto before = line.sequence();
  const Reply none = line.send("POST", "/payload/clear", "{" + filter + "}");
  CHECK(none.status == 200);
  CHECK(none.result()["operation_id"] == before);
}

TEST_CASE("the value for kNN-LM follows the token of the payload") {
  Line line;
  const auto value = [&](std::uint64_t id) {
    const std::vector<float> query = {static_cast<float>(id), 0};
    const auto hits = line.database->collection("c")->search(query, {}).hits;
    CHECK(hits.size() == 3);
    CHECK(hits[0].id == index::PointId::number(id));
    CHECK(hits[0].value == line.database->collection("c")->get(hits[0].id, false, false)->value);
    return hits[0].value;
  };
  CHECK(value(1) == 1u);
  line.send("POST", "/payload", R"({"payload":{"token":77},"points":[1]})");
  CHECK(value(1) == 77u);
  line.send("POST", "/payload", R"({"payload":{"name":"x"},"points":[1]})");
  CHECK(value(1) == 77u);
  line.send("POST", "/payload/delete", R"({"keys":["token"],"points":[1]})");
  CHECK_FALSE(value(1).has_value());
  CHECK(line.post(kPoints + "/count", json::object()).result()["count"] == 3);
}

TEST_CASE("a value that came without a field becomes one when its payload changes") {
  ApiFixture fixture;
  fixture.create(2);
  const std::vector<float> vector = {1, 2};
  const index::Point points[] = {{index::PointId::number(1), vector, {}, 42}};
  fixture.database->collection("c")->upsert(points);
  fixture.call("POST", kPoints + "/payload", R"({"payload":{"a":1},"points":[1]})");
  CHECK(fixture.get(kPoints + "/1").result()["payload"] == json::parse(R"({"token":42,"a":1})"));
  CHECK(fixture.database->collection("c")->get(index::PointId::number(1), false, false)->value == 42u);
}

TEST_CASE("payload changes with anything wrong in them change nothing") {
  Line line;
  const auto before = line.sequence();
  const auto refused = [&](const std::string& method, const std::string& last, const std::string& body, int status) {
    INFO(method << " " << last << " " << body);
    const Reply reply = line.send(method, last, body);
    CHECK(reply.status == status);
    CHECK(line.sequence() == before);
    return reply.status == 200 ? std::string() : reply.error();
  };
  CHECK(refused("POST", "/payload", R"({"payload":{"a":1},"points":[1,99]})", 404) ==
        "Not found: No point with id 99 found");
  refused("POST", "/payload", R"({"payload":{"a":1}})", 400);
  refused("POST", "/payload", R"({"points":[1]})", 400);
  refused("POST", "/payload", R"({"payload":[1],"points":[1]})", 400);
  refused("POST", "/payload", R"({"payload":{},"points":[1],"filter":{}})", 400);
  refused("POST", "/payload", R"({"payload":{},"points":[1],"key":"a..b"})", 400);
  refused("POST", "/payload", R"({"payload":{},"points":[1],"key":3})", 400);
  refused("PUT", "/payload", R"({"payload":{},"points":[1],"key":"a"})", 400);
  refused("POST", "/payload/delete", R"({"points":[1]})", 400);
  refused("POST", "/payload/delete", R"({"keys":[1],"points":[1]})", 400);
  refused("POST", "/payload/delete", R"({"keys":"a","points":[1]})", 400);
  refused("POST", "/payload/clear", "{}", 400);
  refused("POST", "/payload/clear", "[]", 400);
  std::string deep = "a";
  for (int i = 0; i < 64; ++i) deep += ".a";
  refused("POST", "/payload", R"({"payload":{},"points":[1],"key":")" + deep + "\"}", 400);
}

TEST_CASE("a batch runs its operations in order") {
  Line line;
  const Reply reply = line.send("POST", "/batch?wait=true", R"({"operations":[
    {"upsert":{"points":[{"id":4,"vector":[4,0],"payload":{"a":1}}]}},
    {"set_payload":{"payload":{"b":2},"points":[4]}},
    {"overwrite_payload":{"payload":{"c":3},"points":[1]}},
    {"delete_payload":{"keys":["name"],"points":[2]}},
    {"clear_payload":{"filter":{"must":[{"key":"token","match":{"value":2}}]}}},
    {"delete":{"points":[3]}}]})");
  REQUIRE(reply.status == 200);
  REQUIRE(reply.result().size() == 6);
  CHECK(reply.result()[0]["operation_id"].get<int>() < reply.result()[5]["operation_id"].get<int>());
  CHECK(line.payload(4) == json::parse(R"({"a":1,"b":2})"));
  CHECK(line.payload(1) == json::parse(R"({"c":3})"));
  CHECK(line.payload(2) == json::object());
  CHECK(line.get(kPoints + "/3").status == 404);
}

TEST_CASE("a batch with a malformed operation runs none of them") {
  Line line;
  const auto before = line.sequence();
  const std::string good = R"({"clear_payload":{"points":[1]}})";
  for (const std::string bad : {R"({"upsert":{"points":[{"id":4,"vector":[4]}]}})", R"({"explode":{}})", "{}", "3",
                                R"({"delete":{}})", R"({"update_vectors":{"points":[]}})",
                                R"({"delete":{"points":[1]},"upsert":{}})", R"({"delete_payload":{"points":[1]}})"}) {
    CHECK(line.send("POST", "/batch", R"({"operations":[)" + good + "," + bad + "]}").status == 400);
    CHECK(line.sequence() == before);
  }
  CHECK(line.send("POST", "/batch", "{}").status == 400);
  CHECK(line.send("POST", "/batch", R"({"operations":[]})").result() == json::array());
}

}  // namespace nestor::server::testing
