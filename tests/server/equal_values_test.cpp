// Values are compared, not the texts that they were written as.
#include "server/json_writer.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kPoints = "/collections/c/points";
using Ids = std::vector<std::uint64_t>;

struct Spelt : ApiFixture {
  Spelt() { create(2); }
  void write(const std::vector<std::string>& payloads) {
    std::string body;
    for (std::size_t i = 0; i < payloads.size(); ++i)
      body += (i ? "," : "") + std::string(R"({"id":)") + std::to_string(i + 1) + R"(,"vector":[0,)" +
              std::to_string(i + 1) + R"(],"payload":)" + payloads[i] + "}";
    REQUIRE(call("PUT", kPoints, R"({"points":[)" + body + "]}").status == 200);
  }
  json groups(const std::string& key) {
    json out = json::array();
    const Reply reply = post(kPoints + "/query/groups", {{"query", {0, 0}}, {"group_by", key}, {"group_size", 9}});
    for (const json& group : reply.result()["groups"]) out.push_back({group["id"], ids_of(group["hits"])});
    return out;
  }
  json facet(const std::string& key) { return post("/collections/c/facet", {{"key", key}}).result()["hits"]; }
  std::uint64_t count(const std::string& condition) {
    return call("POST", kPoints + "/count", R"({"filter":{"must":)" + condition + "}}").result()["count"];
  }
};

std::string canonical(const std::string& text) { return canonical_scalar(JsonDocument(text).root()).value_or("none"); }

}  // namespace

TEST_CASE("equal scalars have one spelling") {
  CHECK(canonical(R"("\u00e9\/\u0041")") == canonical("\"\u00e9/A\""));
  CHECK(canonical(R"("\ud83d\ude00")") == canonical("\"\U0001F600\""));
  CHECK(canonical("-0") == "0");
  CHECK(canonical("18446744073709551616") == "18446744073709551616");
  CHECK(canonical("\"0\"") != canonical("0"));
  CHECK(canonical("1.0") == "none");
  CHECK(canonical("true") == "true");
  CHECK(canonical("null") == "none");
}

TEST_CASE("two spellings of a string or of zero are one group and one facet value") {
  Spelt c;
  c.write({R"({"t":"é","n":0})", R"({"t":"\u00e9","n":-0})", R"({"t":"a/b"})", R"({"t":"a\/b"})"});
  CHECK(c.groups("t") == json::parse(R"([["é",[1,2]],["a/b",[3,4]]])"));
  CHECK(c.groups("n") == json::parse("[[0,[1,2]]]"));
  CHECK(c.facet("t") == json::parse(R"([{"value":"a/b","count":2},{"value":"é","count":2}])"));
  CHECK(c.facet("n") == json::parse(R"([{"value":0,"count":2}])"));
  CHECK(c.count(R"({"key":"t","match":{"value":"\u00e9"}})") == 2);
  CHECK(c.count(R"({"key":"n","match":{"value":-0}})") == 2);
}

TEST_CASE("where a key has an index of uuids their spellings are one facet value") {
  Spelt c;
  c.write({R"({"u":"328fc5bf6829455b827a3f2607eaf81b"})", R"({"u":"328fc5bf-6829-455b-827a-3f2607eaf81b"})",
           R"({"u":"urn:uuid:328FC5BF-6829-455B-827A-3F2607EAF81B"})", R"({"u":"none"})"});
  CHECK(c.facet("u").size() == 4);
  REQUIRE(c.put("/collections/c/index", {{"field_name", "u"}, {"field_schema", "uuid"}}).status == 200);
  CHECK(c.facet("u") == json::parse(R"([{"value":"328fc5bf-6829-455b-827a-3f2607eaf81b","count":3},
    {"value":"none","count":1}])"));
}

TEST_CASE("a count of values holds when one value's own count fits, with an index and without") {
  Spelt c;
  c.write({R"({"n":[{"e":[1]},{"e":[1,2]},{"e":[1,2,3]}]})", R"({"n":[{"e":1},{"e":2},{"e":3}]})", R"({"n":[]})",
           R"({"n":[{"e":null}]})", R"({"n":[[1,2],[3]]})"});
  const auto with = [&](int count) {
    const std::string bounds = "{\"gte\":" + std::to_string(count) + ",\"lte\":" + std::to_string(count) + "}";
    const Reply found =
        c.call("POST", kPoints + "/scroll", R"({"filter":{"must":{"key":"n[].e","values_count":)" + bounds + "}}}");
    return ids_of(found.result()["points"]);
  };
  for (int round = 0; round < 2; ++round) {
    CHECK(with(0) == Ids{3, 4, 5});
    CHECK(with(1) == Ids{1, 2});
    CHECK(with(2) == Ids{1});
    CHECK(with(3) == Ids{1});
    CHECK(with(6).empty());
    CHECK(c.count(R"({"key":"n","values_count":{"gte":2,"lte":2}})") == 1);
    CHECK(c.count(R"({"key":"n","values_count":{"gte":3,"lte":3}})") == 2);
    CHECK(c.count(R"({"key":"n[]","values_count":{"gte":3,"lte":3}})") == 3);  // 1, 2, and 5 with its elements' elements
    if (round > 0) break;
    c.put("/collections/c/index", {{"field_name", "n[].e"}, {"field_schema", "integer"}});
    c.put("/collections/c/index", {{"field_name", "n"}, {"field_schema", "integer"}});
  }
}

TEST_CASE("a key that leads through what is no list makes one") {
  Spelt c;
  c.write({R"({"a":{"c":[{"d":1}]}})", R"({"a":1})", R"({"b":2})"});
  const auto set = [&](int id, const std::string& key) {
    const Reply reply = c.post(kPoints + "/payload", {{"payload", {{"a", 1}}}, {"key", key}, {"points", {id}}});
    REQUIRE(reply.status == 200);
    return c.get(kPoints + "/" + std::to_string(id)).result()["payload"];
  };
  CHECK(set(1, "a.c[][]") == json::parse(R"({"a":{"c":[[]]}})"));
  CHECK(set(2, "a[0]") == json::parse(R"({"a":[]})"));
  CHECK(set(3, "c[].d") == json::parse(R"({"b":2,"c":[]})"));
  CHECK(set(3, "b.c") == json::parse(R"({"b":{"c":{"a":1}},"c":[]})"));
}

TEST_CASE("an index of integers that serves neither lookup nor range is refused, as are unknown parameters") {
  Spelt c;
  const auto status = [&](const json& schema) {
    static int number = 0;
    return c.put("/collections/c/index", {{"field_name", "n" + std::to_string(++number)}, {"field_schema", schema}})
        .status;
  };
  CHECK(status(json::parse(R"({"type":"integer","lookup":false,"range":false})")) == 422);
  CHECK(status(json::parse(R"({"type":"integer","colour":"red"})")) == 400);
  CHECK(status(json::parse(R"({"type":"bool","is_tenant":true})")) == 400);
  CHECK(status(json::parse(R"({"type":"integer","lookup":true,"range":false,"on_disk":true})")) == 200);
  CHECK(status(json::parse(R"({"type":"keyword","is_tenant":true})")) == 200);
}

}  // namespace nestor::server::testing
