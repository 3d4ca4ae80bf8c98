#include "server/gatekeeper.h"

#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

using Headers = std::vector<std::pair<std::string_view, std::string_view>>;

const AccessPolicy kKeys{"master", "reader", {}};

struct Guarded {
  explicit Guarded(AccessPolicy policy) : api(*fixture.database, {}, {std::move(policy), {}, {}}) {
    fixture.create(2);
    fixture.fill_line(3, 2);
  }
  Response call(std::string_view method, std::string_view target, Headers headers = {}, std::string_view body = "{}") {
    return api.handle({method, target, body, std::move(headers)});
  }
  int status(std::string_view method, std::string_view target, Headers headers = {}) {
    return call(method, target, std::move(headers)).status;
  }

  ApiFixture fixture;
  Api api;
};

std::string header_of(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "";
}

}  // namespace

TEST_CASE("without a key everything is 401 in plain text, but for version and health") {
  Guarded guarded(kKeys);
  const Response refused = guarded.call("GET", "/collections");
  CHECK(refused.status == 401);
  CHECK(refused.content_type == "text/plain; charset=utf-8");
  CHECK(refused.body == "Must provide an API key or an Authorization bearer token");
  CHECK(header_of(refused, "WWW-Authenticate") == "Bearer");
  CHECK(guarded.status("GET", "/nothing") == 401);
  CHECK(guarded.status("PATCH", "/collections") == 401);
  for (const char* open : {"/", "/healthz", "/livez", "/readyz"}) CHECK(guarded.status("GET", open) == 200);
}

TEST_CASE("a key is taken from api-key or as a bearer token, and a wrong one is 401") {
  Guarded guarded(kKeys);
  CHECK(guarded.status("GET", "/collections", {{"API-Key", "master"}}) == 200);
  CHECK(guarded.status("GET", "/collections", {{"authorization", "Bearer master"}}) == 200);
  CHECK(guarded.status("GET", "/collections", {{"Authorization", "bearer   reader"}}) == 200);
  for (const char* wrong : {"Master", "maste", "master ", "masterx", "reade"}) {
    CAPTURE(wrong);
    const Response refused = guarded.call("GET", "/collections", {{"api-key", wrong}});
    CHECK(refused.status == 401);
    CHECK(refused.body == "Invalid API key or JWT");
  }
  CHECK(guarded.status("GET", "/collections", {{"Authorization", "Basic master"}}) == 401);
}

TEST_CASE("the read-only key reads everything and writes nothing") {
  Guarded guarded(kKeys);
  const Headers reader = {{"api-key", "reader"}}, master = {{"api-key", "master"}};
  CHECK(guarded.status("GET", "/collections/c", reader) == 200);
  CHECK(guarded.status("POST", "/collections/c/points/scroll", reader) == 200);
  CHECK(guarded.call("POST", "/collections/c/points/query", reader, R"({"query":[1,0]})").status == 200);
  const Response refused = guarded.call("POST", "/collections/c/points/delete", reader, R"({"points":[1]})");
  CHECK(refused.status == 403);
  CHECK(json::parse(refused.body)["status"]["error"].get<std::string>().starts_with("Forbidden: "));
  CHECK(guarded.status("DELETE", "/collections/c", reader) == 403);
  CHECK(guarded.status("PUT", "/collections/d", reader) == 403);
  CHECK(guarded.call("POST", "/collections/c/points/delete", master, R"({"points":[1]})").status == 200);
  CHECK(guarded.status("DELETE", "/collections/c", master) == 200);
}

TEST_CASE("a read-only key alone lets nobody write") {
  Guarded guarded({"", "reader", {}});
  CHECK(guarded.status("GET", "/collections") == 401);
  CHECK(guarded.status("GET", "/collections", {{"api-key", "reader"}}) == 200);
  CHECK(guarded.status("DELETE", "/collections/c", {{"api-key", "reader"}}) == 403);
  CHECK(guarded.status("DELETE", "/collections/c", {{"api-key", ""}}) == 401);
}

TEST_CASE("every route that can change something asks for the read-write key") {
  ApiFixture fixture;
  for (const Route* route : fixture.api.router().routes()) {
    CAPTURE(route->method, route->pattern);
    // What reads and is not GET has its query in the body.
    const bool reads =
        route->method == "GET" || route->pattern.find("/query") != std::string::npos ||
        route->pattern.find("/search") != std::string::npos || route->pattern.find("/recommend") != std::string::npos ||
        route->pattern.find("/discover") != std::string::npos || route->pattern.find("/matrix/") != std::string::npos ||
        route->pattern.ends_with("/scroll") || route->pattern.ends_with("/count") ||
        route->pattern.ends_with("/facet") || route->pattern.ends_with("/lookup") ||
        route->pattern.ends_with("/score") || route->pattern.ends_with("/distances") ||
        route->pattern.ends_with("/get_vectors") || route->pattern.ends_with("/next_ids") ||
        route->pattern.ends_with("/score_candidates") || route->pattern.ends_with("/dispersion") ||
        (route->method == "POST" && route->pattern.ends_with("/points"));
    CHECK((route->needed_access() == Access::write) == !reads);
  }
}

TEST_CASE("pages of other origins are refused unless they are allowed") {
  Guarded closed({});
  CHECK(closed.status("GET", "/collections") == 200);
  CHECK(closed.status("POST", "/collections/c/points/scroll", {{"Origin", "https://evil.example"}}) == 403);
  CHECK(closed.status("POST", "/collections/c/points/scroll", {{"Origin", "null"}}) == 403);
  CHECK(closed.status("GET", "/healthz", {{"Origin", "https://evil.example"}}) == 200);
  CHECK(closed.status("GET", "/collections", {{"Origin", "http://localhost:6333"}, {"Host", "localhost:6333"}}) == 200);
  CHECK(closed.status("GET", "/collections", {{"Origin", "http://localhost:63"}, {"Host", "localhost:6333"}}) == 403);

  Guarded open({"", "", {"https://app.example"}});
  const Response answer = open.call("GET", "/collections", {{"Origin", "https://app.example"}});
  CHECK(answer.status == 200);
  CHECK(header_of(answer, "Access-Control-Allow-Origin") == "https://app.example");
  CHECK(header_of(answer, "Vary") == "Origin");
  CHECK(header_of(open.call("GET", "/collections"), "Access-Control-Allow-Origin").empty());
  CHECK(open.status("GET", "/collections", {{"Origin", "https://app.example.evil"}}) == 403);
}

TEST_CASE("a preflight is answered without a key, for allowed origins only") {
  Guarded guarded({"master", "", {"*"}});
  const Headers ask = {{"Origin", "https://any.example"}, {"Access-Control-Request-Method", "PUT"}};
  const Response answer = guarded.call("OPTIONS", "/collections/c/points", ask);
  CHECK(answer.status == 204);
  CHECK(answer.body.empty());
  CHECK(header_of(answer, "Access-Control-Allow-Origin") == "*");
  CHECK(header_of(answer, "Access-Control-Allow-Methods").find("PATCH") != std::string::npos);
  CHECK(header_of(answer, "Access-Control-Allow-Headers").find("api-key") != std::string::npos);
  CHECK(guarded.status("PUT", "/collections/c/points", ask) == 401);
  Guarded closed({});
  CHECK(closed.status("OPTIONS", "/collections/c/points", ask) == 403);
  CHECK(closed.status("OPTIONS", "/collections/c/points") == 405);
}

}  // namespace nestor::server::testing
