#include "server/openapi.h"

#include <set>

#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {

TEST_CASE("every route stands in the OpenAPI document, and everything in it is a route") {
  ApiFixture fixture;
  const json document = json::parse(openapi_text());
  CHECK(document.at("openapi") == "3.1.0");
  std::set<std::string> described, routed;
  for (const auto& [path, operations] : document.at("paths").items())
    for (const auto& [method, operation] : operations.items()) {
      std::string name = method + " " + path;
      described.insert(name);
      CAPTURE(name);
      // Whoever needs no key is told so.
      const bool open = operation.contains("security") && operation["security"].empty();
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const RouteMatch match = fixture.api.match(upper, path);
      if (match.route) CHECK((match.access() == Access::open) == open);
    }
  for (const Route* route : fixture.api.router().routes()) {
    std::string method = route->method;
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    routed.insert(method + " " + route->pattern);
  }
  // A route that is missing here wants an entry in server/openapi.json.
  for (const std::string& name : routed) {
    CAPTURE(name);
    CHECK(described.contains(name));
  }
  for (const std::string& name : described) {
    CAPTURE(name);
    CHECK(routed.contains(name));
  }
  CHECK(fixture.get("/openapi.json").body == document);
  fixture.create(2);
  fixture.fill_line(2, 2);
  const json search = {{"vector", {1, 0}}, {"limit", 1}};
  CHECK(fixture.post("/collections/c/points/search/batch", {{"searches", {search, search}}}).result()[1][0]["id"] == 1);
  CHECK(fixture.get("/metrics").status == 200);
  CHECK(fixture.get("/telemetry").status == 200);
}

}  // namespace nestor::server::testing
