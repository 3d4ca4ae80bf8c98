#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kPoints = "/collections/c/points";

// Sends upserts that must be refused and change nothing.
struct Refuser : ApiFixture {
  Refuser() { create(2, "Cosine"); }
  std::string operator()(const std::string& body) {
    const Reply reply = call("PUT", kPoints + "?wait=true", body);
    CHECK(reply.status == 400);
    CHECK(post(kPoints + "/count", json::object()).result()["count"] == 0);
    return reply.status == 200 ? "" : reply.error();
  }
};

}  // namespace

TEST_CASE("points are written in the list form and read back") {
  ApiFixture fixture;
  fixture.create(2);
  const Reply written = fixture.call("PUT", kPoints + "?wait=true", R"({"points":[
    {"id":18446744073709551615,"vector":[1,2.5],"payload":{"b": [1, 1e3],  "a":"ü"}},
    {"id":"550E8400-e29b-41d4-a716-446655440000","vector":[3,4]}]})");
  REQUIRE(written.status == 200);
  CHECK(written.result()["status"] == "completed");
  CHECK(written.result()["operation_id"].is_number_unsigned());

  const Reply one = fixture.get(kPoints + "/18446744073709551615");
  REQUIRE(one.status == 200);
  // The id is exact and the payload's text is the one that came in.
  CHECK(one.raw.body.find(R"({"id":18446744073709551615,"payload":{"b": [1, 1e3],  "a":"ü"},"vector":[1.0,2.5]})") !=
        std::string::npos);
  const Reply other = fixture.get(kPoints + "/550e8400e29b41d4a716446655440000");
  CHECK(other.result() ==
        json::parse(R"({"id":"550e8400-e29b-41d4-a716-446655440000","payload":{},"vector":[3,4]})"));
}

TEST_CASE("points are written in the batch form") {
  ApiFixture fixture;
  fixture.create(2);
  const Reply written = fixture.put(
      kPoints, json::parse(R"({"batch":{"ids":[1,2],"vectors":[[1,2],[3,4]],"payloads":[{"a":1},null]}})"));
  REQUIRE(written.status == 200);
  CHECK(written.result()["status"] == "acknowledged");
  const Reply read = fixture.post(kPoints, json::parse(R"({"ids":[2,9,1],"with_vector":true})"));
  CHECK(read.result() ==
        json::parse(R"([{"id":2,"payload":{},"vector":[3,4]},{"id":1,"payload":{"a":1},"vector":[1,2]}])"));
}

TEST_CASE("an upsert of an existing id replaces it") {
  ApiFixture fixture;
  fixture.create(2);
  const Reply first = fixture.put(kPoints, json::parse(R"({"points":[{"id":1,"vector":[1,2],"payload":{"a":1}}]})"));
  const Reply second = fixture.put(kPoints, json::parse(R"({"points":[{"id":1,"vector":[5,6]}]})"));
  CHECK(second.result()["operation_id"].get<int>() > first.result()["operation_id"].get<int>());
  CHECK(fixture.get(kPoints + "/1").result() == json::parse(R"({"id":1,"payload":{},"vector":[5,6]})"));
  CHECK(fixture.post(kPoints + "/count", {{"exact", true}}).result()["count"] == 1);
}

TEST_CASE("an upsert with anything wrong in it writes nothing") {
  Refuser refusal;
  const std::string good = R"({"id":1,"vector":[1,2]})";
  const auto list = [&](const std::string& point) { return "{\"points\":[" + good + "," + point + "]}"; };
  CHECK(refusal(list(R"({"id":2,"vector":[1,2,3]})")) == "Wrong input: Vector dimension error: expected dim: 2, got 3");
  CHECK(refusal(list(R"({"id":2,"vector":[1,NaN]})")).starts_with("Format error in JSON body: expected a value"));
  CHECK(refusal(list(R"({"id":2,"vector":[1,1e999]})")).find("number out of range") != std::string::npos);
  CHECK(refusal(list(R"({"id":2,"vector":[1,1e39]})")).find("does not fit into a 32-bit float") != std::string::npos);
  CHECK(refusal(list(R"({"id":2,"vector":[1,true]})")).find("boolean `true` at position 1 of `vector of point 1`") !=
        std::string::npos);
  CHECK(refusal(list(R"({"id":-1,"vector":[1,2]})")).find("value -1 is not a valid point ID") != std::string::npos);
  CHECK(refusal(list(R"({"id":1.5,"vector":[1,2]})")).find("not a valid point ID") != std::string::npos);
  CHECK(refusal(list(R"({"id":18446744073709551616,"vector":[1,2]})")).find("not a valid point ID") !=
        std::string::npos);
  CHECK(refusal(list(R"({"id":true,"vector":[1,2]})")).find("not a valid point ID") != std::string::npos);
  CHECK(refusal(list(R"({"id":"no-uuid","vector":[1,2]})")).find("\"no-uuid\" is not a valid point ID") !=
        std::string::npos);
  CHECK(refusal(list(R"({"vector":[1,2]})")) == "Format error in JSON body: missing field `id`");
  CHECK(refusal(list(R"({"id":2})")) == "Format error in JSON body: missing field `vector`");
  CHECK(refusal(list(R"({"id":2,"vector":[1,2],"payload":[1]})")).find("expected an object for `payload`") !=
        std::string::npos);
  CHECK(refusal(list("3")).find("number `3`, expected an object") != std::string::npos);
  CHECK(refusal(list(R"({"id":2,"vector":{"indices":[1],"values":[1]}})")).find("sparse") != std::string::npos);
  CHECK(refusal(list(R"({"id":2,"vector":[[1,2]]})")).find("multivector") != std::string::npos);
  CHECK(refusal(list(R"({"id":2,"vector":{"x":[1,2]}})")) == "Wrong input: Not existing vector name error: x");
  CHECK(refusal("").find("unexpected end of text") != std::string::npos);
  CHECK(refusal("[]").find("expected an object for `body`") != std::string::npos);
  CHECK(refusal("{}").find("either `points` or `batch`") != std::string::npos);
  CHECK(refusal(R"({"points":[]})") == "Bad request: Empty update request");
  CHECK(refusal(R"({"points":{}})").find("expected a list for `points`") != std::string::npos);
  CHECK(refusal(R"({"batch":{"ids":[1,2],"vectors":[[1,2]]}})") == "Wrong input: a batch of 2 ids with 1 vectors");
  CHECK(refusal(R"({"batch":{"ids":[1],"vectors":[[1,2]],"payloads":[]}})").find("0 payloads") != std::string::npos);
  CHECK(refusal(R"({"update_mode":"replace","points":[]})").find("unknown variant `replace`") != std::string::npos);
}

TEST_CASE("the number of points of one request is limited") {
  ApiFixture fixture({.points = 3});
  fixture.create(2);
  const Reply reply = fixture.fill_line(4, 2);
  CHECK(reply.status == 400);
  CHECK(reply.error() == "Wrong input: 4 points in one request, at most 3 are allowed");
  CHECK(fixture.post(kPoints, {{"ids", {1, 2, 3, 4}}}).status == 400);
  CHECK(fixture.post(kPoints + "/delete", {{"points", {1, 2, 3, 4}}}).status == 400);
  CHECK(fixture.post(kPoints + "/scroll", {{"limit", 4}}).status == 200);
}

TEST_CASE("the wait parameter must be a boolean") {
  ApiFixture fixture;
  fixture.create(2);
  const Reply reply = fixture.put(kPoints + "?wait=maybe", json::parse(R"({"points":[{"id":1,"vector":[1,2]}]})"));
  CHECK(reply.status == 400);
  CHECK(reply.error().starts_with("Deserialize error in query parameters: "));
  CHECK(fixture.post(kPoints + "/count", json::object()).result()["count"] == 0);
}

TEST_CASE("writing to a collection that does not exist is 404") {
  ApiFixture fixture;
  const Reply reply = fixture.fill_line(1, 2);
  CHECK(reply.status == 404);
  CHECK(reply.error() == "Not found: Collection `c` doesn't exist!");
}

TEST_CASE("points are deleted by their ids") {
  ApiFixture fixture;
  fixture.create(2);
  fixture.fill_line(3, 2);
  const Reply reply = fixture.post(kPoints + "/delete?wait=true", {{"points", {1, 3, 99}}});
  CHECK(reply.status == 200);
  CHECK(reply.result()["status"] == "completed");
  CHECK(fixture.post(kPoints + "/count", json::object()).result()["count"] == 1);
  CHECK(fixture.get(kPoints + "/1").error() == "Not found: Point with id 1 does not exists!");
  CHECK(fixture.get(kPoints + "/2").status == 200);
  CHECK(fixture.post(kPoints + "/delete", {{"points", json::array()}}).status == 200);
  CHECK(fixture.post(kPoints + "/delete", json::object()).error() ==
        "Format error in JSON body: expected either `points` or `filter`");
}

TEST_CASE("a single point is asked for by a valid id") {
  ApiFixture fixture;
  fixture.create(2);
  CHECK(fixture.get(kPoints + "/abc").error() == "Wrong input: Can not recognize \"abc\" as point id");
  CHECK(fixture.get(kPoints + "/-1").status == 400);
  CHECK(fixture.get(kPoints + "/7").status == 404);
}

TEST_CASE("payload fields are selected by name") {
  ApiFixture fixture;
  fixture.create(2);
  fixture.put(kPoints, json::parse(R"({"points":[{"id":1,"vector":[1,2],"payload":{"a":1,"b":{"c":2},"d\n":[3]}}]})"));
  const auto read = [&](const json& selector) {
    return fixture.post(kPoints, {{"ids", {1}}, {"with_payload", selector}}).result()[0];
  };
  CHECK(read(true)["payload"] == json::parse(R"({"a":1,"b":{"c":2},"d\n":[3]})"));
  CHECK_FALSE(read(false).contains("payload"));
  CHECK_FALSE(read(true).contains("vector"));
  CHECK(read({"b", "x"})["payload"] == json::parse(R"({"b":{"c":2}})"));
  CHECK(read(json::parse(R"({"include":["d\n"]})"))["payload"] == json::parse(R"({"d\n":[3]})"));
  CHECK(read(json::parse(R"({"exclude":["b"]})"))["payload"] == json::parse(R"({"a":1,"d\n":[3]})"));
  const auto status = [&](const json& selector) {
    return fixture.post(kPoints, {{"ids", {1}}, {"with_payload", selector}}).status;
  };
  CHECK(status(1) == 400);
  CHECK(status({1}) == 400);
  CHECK(status(json::object()) == 400);
  CHECK(status(json::parse(R"({"included":["b"]})")) == 400);
}

TEST_CASE("the token of a payload is the point's value, anything else under that name is payload only") {
  ApiFixture fixture;
  fixture.create(2);
  const Reply written = fixture.call("PUT", kPoints, R"({"points":[
    {"id":1,"vector":[1,2],"payload":{"token":4294967294}},
    {"id":2,"vector":[1,2],"payload":{"token":4294967295}},{"id":3,"vector":[1,2],"payload":{"token":"x"}},
    {"id":4,"vector":[1,2],"payload":{"token":-1}},{"id":5,"vector":[1,2],"payload":{"token":1.0}}]})");
  REQUIRE(written.status == 200);
  const auto collection = fixture.database->collection("c");
  CHECK(collection->get(index::PointId::number(1), false, false)->value == 4294967294u);
  for (std::uint64_t id = 2; id <= 5; ++id)
    CHECK_FALSE(collection->get(index::PointId::number(id), false, false)->value.has_value());
}

TEST_CASE("a value without payload is shown as its token") {
  ApiFixture fixture;
  fixture.create(2);
  const std::vector<float> vector = {1, 2};
  const index::Point points[] = {{index::PointId::number(1), vector, {}, 42},
                                 {index::PointId::number(2), vector, R"({"a":1})", 43}};
  fixture.database->collection("c")->upsert(points);
  const auto payload = [&](int id) { return fixture.get(kPoints + "/" + std::to_string(id)).result()["payload"]; };
  CHECK(payload(1) == json::parse(R"({"token":42})"));
  CHECK(payload(2) == json::parse(R"({"a":1,"token":43})"));
}

TEST_CASE("scrolling passes over every point in id order") {
  ApiFixture fixture;
  fixture.create(2);
  fixture.fill_line(700, 2);
  fixture.put(kPoints, json::parse(R"({"points":[{"id":"550e8400-e29b-41d4-a716-446655440000","vector":[1,2]}]})"));
  const Reply first = fixture.post(kPoints + "/scroll", json::object());
  CHECK(ids_of(first.result()["points"]) == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(first.result()["next_page_offset"] == 11);
  CHECK(first.result()["points"][0].contains("payload"));
  CHECK_FALSE(first.result()["points"][0].contains("vector"));

  std::size_t seen = 0;
  json offset;
  do {
    const Reply page = fixture.post(kPoints + "/scroll", {{"limit", 300}, {"offset", offset}, {"with_payload", false}});
    REQUIRE(page.status == 200);
    for (const json& point : page.result()["points"])
      if (point["id"].is_number()) REQUIRE(point["id"].get<std::size_t>() == ++seen);
    offset = page.result()["next_page_offset"];
  } while (!offset.is_null());
  CHECK(seen == 700);
  // Exactly to the end: there is no next page.
  const Reply all = fixture.post(kPoints + "/scroll", {{"limit", 701}, {"with_vector", true}});
  CHECK(all.result()["points"].size() == 701);
  CHECK(all.result()["next_page_offset"].is_null());
  CHECK(all.result()["points"][6]["vector"] == json::parse("[7,0]"));
}

TEST_CASE("scrolling refuses what it cannot do") {
  ApiFixture fixture;
  fixture.create(2);
  CHECK(fixture.post(kPoints + "/scroll", {{"limit", 0}}).error() ==
        "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]");
  CHECK(fixture.post(kPoints + "/scroll", {{"order_by", 1}}).status == 400);
  CHECK(fixture.post(kPoints + "/count", {{"exact", 1}}).status == 400);
}

TEST_CASE("an answer beyond the limit is refused instead of built") {
  ApiFixture fixture({.answer_bytes = 1000});
  fixture.create(2);
  fixture.fill_line(100, 2);
  const Reply reply = fixture.post(kPoints + "/scroll", {{"limit", 100}});
  CHECK(reply.status == 400);
  CHECK(reply.error().find("larger than 1000 bytes") != std::string::npos);
}

TEST_CASE("vectors in base64 are written and searched like lists, and bad ones change nothing") {
  ApiFixture fixture;
  fixture.create(2);
  const auto put = [&](const std::string& vector) {
    return fixture.call("PUT", kPoints, R"({"points":[{"id":1,"vector":")" + vector + "\"}]}");
  };
  CHECK(put("AACAPw==").status == 200);  // float16 0 and 1.875
  CHECK(put("AACAPwAAAMA=").status == 200);
  CHECK(fixture.get(kPoints + "/1").result()["vector"] == json::parse("[1,-2]"));
  CHECK(put("AACAPwAAAMAAAAAA").error() == "Wrong input: Vector dimension error: expected dim: 2, got 3");
  CHECK(put("AADAfwAAAMA=").status == 400);  // NaN
  CHECK(put("no base64").status == 400);
  CHECK(fixture.get(kPoints + "/1").result()["vector"] == json::parse("[1,-2]"));
  const Reply found = fixture.call("POST", kPoints + "/query", R"({"query":"AACAPwAAAMA="})");
  REQUIRE(found.status == 200);
  CHECK(found.result()["points"][0]["score"] == 0.0);
  CHECK(fixture.call("POST", kPoints + "/search", R"({"vector":"AACAPwAAAMA=","limit":1})").status == 200);
  CHECK(fixture.call("POST", kPoints + "/query", R"({"query":"AADAfwAAAMA="})").status == 400);
  CHECK(fixture.call("POST", kPoints + "/query", R"({"query":"no base64"})").status == 400);
}

}  // namespace nestor::server::testing
