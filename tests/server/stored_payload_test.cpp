// Payloads that older versions took from Python and that are no JSON object: one such row must not break the others.
#include <filesystem>

#include "storage/collection_home.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::vector<std::string> kPoisons = {R"({"x": NaN, "k": "a"})", R"({"x": "\ud800"})", "[1, 2]", R"("hello")",
                                           "{\"x\":\"\xff\"}"};

json call(Api& api, std::string_view method, std::string_view target, const json& body = nullptr, int status = 200) {
  const std::string text = body.is_null() ? "" : body.dump();
  const Response answer = api.handle({method, target, text, {}});
  INFO(method << ' ' << target << ' ' << answer.body);
  REQUIRE(answer.status == status);
  return json::parse(answer.body);
}

// What an older version wrote in the place of the payloads of points 1, 2, ...
void poison(const std::filesystem::path& database) {
  const storage::CollectionHome home(database / "collections" / "c", storage::make_store_resources(), {});
  const auto records = home.records();
  index::WriteOperation operation;
  operation.sequence = records->state().sequence + 1;
  operation.next_slot = records->state().next_slot;
  for (std::size_t i = 0; i < kPoisons.size(); ++i) {
    const index::PointId id = index::PointId::number(i + 1);
    index::Slot slot = index::kNoSlot;
    records->find({&id, 1}, {&slot, 1});
    operation.payloads.push_back({slot, kPoisons[i], {}});
  }
  records->write(operation);
}

}  // namespace

TEST_CASE("stored payloads that are no JSON object are served as null, and everything else goes on") {
  tests::TemporaryDirectory directory;
  const std::size_t count = 10;
  {
    const auto database = open_database(directory.path());
    Api api(*database, {});
    call(api, "PUT", "/collections/c", {{"vectors", {{"size", 2}, {"distance", "Euclid"}}}});
    json points = json::array();
    for (std::size_t i = 1; i <= count; ++i)
      points.push_back({{"id", i}, {"vector", {i, 0}}, {"payload", {{"k", "a"}}}});
    call(api, "PUT", "/collections/c/points", {{"points", points}});
  }
  poison(directory.path());
  std::string log;
  storage::DatabaseOptions options;
  options.background_builds = false;
  options.log = [&](const std::string& line) { log += line + '\n'; };
  const auto database = storage::Database::open(directory.path(), options);
  Api api(*database, {});
  const json filter = {{"must", {{{"key", "k"}, {"match", {{"value", "a"}}}}}}};

  const json all = call(api, "POST", "/collections/c/points/scroll", json::object())["result"]["points"];
  REQUIRE(all.size() == count);
  for (std::size_t i = 0; i < count; ++i)
    CHECK(all[i]["payload"] == (i < kPoisons.size() ? json(nullptr) : json{{"k", "a"}}));
  CHECK(log.find("the stored payload of point 1 is not the text of a JSON object") != std::string::npos);
  CHECK(call(api, "GET", "/collections/c/points/1")["result"]["payload"].is_null());
  const json found =
      call(api, "POST", "/collections/c/points/query", {{"query", {1, 0}}, {"limit", 10}, {"with_payload", true}});
  CHECK(found["result"]["points"].size() == count);

  const auto counted = [&] {
    return call(api, "POST", "/collections/c/points/count", {{"filter", filter}})["result"]["count"];
  };
  CHECK(counted() == count - kPoisons.size());
  const json groups = call(api, "POST", "/collections/c/points/query/groups",
                           {{"query", {1, 0}}, {"group_by", "k"}, {"group_size", 10}});
  CHECK(groups["result"]["groups"].size() == 1);
  call(api, "PUT", "/collections/c/index", {{"field_name", "k"}, {"field_schema", "keyword"}});
  CHECK(counted() == count - kPoisons.size());
  CHECK(call(api, "POST", "/collections/c/facet", {{"key", "k"}})["result"]["hits"][0]["count"] ==
        count - kPoisons.size());

  // Any write of the payload mends it.
  call(api, "POST", "/collections/c/points/payload", {{"points", {1, 2}}, {"payload", {{"k", "a"}}}});
  call(api, "PUT", "/collections/c/points/payload", {{"points", {3}}, {"payload", {{"k", "a"}}}});
  call(api, "POST", "/collections/c/points/payload/clear", {{"points", {4}}});
  CHECK(counted() == count - kPoisons.size() + 3);
  CHECK(call(api, "GET", "/collections/c/points/2")["result"]["payload"] == json{{"k", "a"}});
  CHECK(call(api, "GET", "/collections/c/points/4")["result"]["payload"] == json::object());
}

TEST_CASE("a payload is nested within the same limit over HTTP as elsewhere") {
  RequestLimits limits;
  limits.json_depth = 1000;
  ApiFixture f(limits);
  f.create(2);
  const auto write = [&](std::size_t levels) {
    const std::string payload = "{\"a\":" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
    return f.call("PUT", "/collections/c/points", R"({"points":[{"id":1,"vector":[1,2],"payload":)" + payload + "}]}");
  };
  CHECK(write(128).status == 200);
  const Reply refused = write(129);
  CHECK((refused.status == 400 || refused.status == 422));
  CHECK(refused.error().find("nested deeper than 128 levels") != std::string::npos);
}

}  // namespace nestor::server::testing
