#include "server/payload_selector.h"

#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const char* const kPayload = R"({"a":{"b":1,"c":2},"l":[{"x":1,"y":2},{"x":3},4],"m":[[{"x":5}]],"s":"t","a.b":6})";

json selected(const std::string& selector) {
  const std::string request = R"({"with_payload":)" + selector + "}";
  const JsonDocument document(request), payload{std::string_view(kPayload)};
  std::string out;
  append_selected(out, payload.root(), read_payload_selector(document.root(), false));
  return json::parse(out);
}

}  // namespace

TEST_CASE("a path selects what stands at it, with the way there") {
  CHECK(selected(R"(["a.b"])") == json::parse(R"({"a":{"b":1}})"));
  CHECK(selected(R"(["a"])") == json::parse(R"({"a":{"b":1,"c":2}})"));
  CHECK(selected(R"(["a.b","a.c","s"])") == json::parse(R"({"a":{"b":1,"c":2},"s":"t"})"));
  CHECK(selected(R"(["\"a.b\""])") == json::parse(R"({"a.b":6})"));
  CHECK(selected(R"({"include":["l[].x"]})") == json::parse(R"({"l":[{"x":1},{"x":3},4]})"));
  CHECK(selected(R"(["m[][].x"])") == json::parse(R"({"m":[[{"x":5}]]})"));
  CHECK(selected(R"(["a.d"])") == json::parse(R"({"a":{}})"));
  CHECK(selected(R"(["z"])") == json::object());
  CHECK(selected("[]") == json::object());
}

TEST_CASE("elements of lists are not told apart") {
  CHECK(selected(R"(["l.x"])") == json::parse(R"({"l":[]})"));
  CHECK(selected(R"(["l[0].x"])") == json::parse(R"({"l":[]})"));
  CHECK(selected(R"({"exclude":["l[0]","l.x"]})") == json::parse(kPayload));
}

TEST_CASE("an excluded path leaks nothing and leaves what is beside it") {
  CHECK(selected(R"({"exclude":["a.b"]})") ==
        json::parse(R"({"a":{"c":2},"l":[{"x":1,"y":2},{"x":3},4],"m":[[{"x":5}]],"s":"t","a.b":6})"));
  CHECK(selected(R"({"exclude":["l[].x","m","a","\"a.b\""]})") == json::parse(R"({"l":[{"y":2},{},4],"s":"t"})"));
  CHECK(selected(R"({"exclude":["l[]"]})")["l"] == json::array());
  CHECK(selected(R"({"exclude":[]})") == json::parse(kPayload));
}

TEST_CASE("every request that shows payloads selects by path") {
  ApiFixture fixture;
  fixture.create(2);
  const std::string points = "/collections/c/points";
  fixture.put(points,
              json::parse(R"({"points":[{"id":1,"vector":[0,1],"payload":{"g":"x","a":{"b":1,"secret":2}}}]})"));
  const json selector = json::parse(R"({"exclude":["a.secret"]})"), left = json::parse(R"({"g":"x","a":{"b":1}})");
  const auto ask = [&](const std::string& last, json body) {
    body["with_payload"] = selector;
    const Reply reply = fixture.post(points + last, body);
    INFO(last << " " << reply.raw.body);
    REQUIRE(reply.status == 200);
    return reply.result();
  };
  const std::vector<float> query = {0, 1};
  CHECK(ask("", {{"ids", {1}}})[0]["payload"] == left);
  CHECK(ask("/scroll", json::object())["points"][0]["payload"] == left);
  CHECK(ask("/query", {{"query", query}})["points"][0]["payload"] == left);
  CHECK(ask("/search", {{"vector", query}, {"limit", 1}})[0]["payload"] == left);
  CHECK(ask("/query/groups", {{"query", query}, {"group_by", "g"}})["groups"][0]["hits"][0]["payload"] == left);
  const Reply batch =
      fixture.post(points + "/query/batch", {{"searches", {{{"query", query}, {"with_payload", {"a.b"}}}}}});
  CHECK(batch.result()[0]["points"][0]["payload"] == json::parse(R"({"a":{"b":1}})"));
  CHECK(fixture.post(points + "/scroll", {{"with_payload", {"a..b"}}}).status == 400);
}

}  // namespace nestor::server::testing
