#include "server/router.h"

#include "tests/support/catch.h"

namespace nestor::server {
namespace {

Router make_router() {
  Router router;
  const auto add = [&](const std::string& method, const std::string& pattern) {
    router.add({method, pattern, Lane::read, true, [](const Call&, Response&) {}});
  };
  add("GET", "/");
  add("GET", "/collections");
  add("GET", "/collections/{name}");
  add("PUT", "/collections/{name}");
  add("POST", "/collections/aliases");
  add("GET", "/collections/{name}/points/{id}");
  add("POST", "/collections/{name}/points/query");
  return router;
}

std::string pattern_of(const RouteMatch& match) { return match.route ? match.route->pattern : "none"; }

}  // namespace

TEST_CASE("a path finds its route and its parameters are decoded after splitting") {
  const Router router = make_router();
  CHECK(pattern_of(router.match("GET", "/")) == "/");
  const auto match = router.match("GET", "/collections/a%2Fb%20c/points/7?wait=true");
  CHECK(pattern_of(match) == "/collections/{name}/points/{id}");
  CHECK(match.parameters == std::vector<std::string>{"a/b c", "7"});
  CHECK(match.query == "wait=true");
}

TEST_CASE("a literal segment wins over a parameter where both have the method") {
  const Router router = make_router();
  CHECK(pattern_of(router.match("POST", "/collections/aliases")) == "/collections/aliases");
  CHECK(pattern_of(router.match("PUT", "/collections/aliases")) == "/collections/{name}");
  CHECK(pattern_of(router.match("POST", "/collections/c/points/query")) == "/collections/{name}/points/query");
  CHECK(pattern_of(router.match("GET", "/collections/c/points/query")) == "/collections/{name}/points/{id}");
}

TEST_CASE("one trailing slash is tolerated, an empty segment is not a missing one") {
  const Router router = make_router();
  CHECK(pattern_of(router.match("GET", "/collections/")) == "/collections");
  CHECK(router.match("GET", "//collections").error->status() == 404);
  CHECK(router.match("GET", "/collections/c//points").error->status() == 404);
}

TEST_CASE("HEAD goes where GET goes") {
  CHECK(pattern_of(make_router().match("HEAD", "/collections")) == "/collections");
}

TEST_CASE("an unknown path is 404 and a known path with another method 405 with Allow") {
  const Router router = make_router();
  const auto missing = router.match("GET", "/nothing");
  REQUIRE(missing.error);
  CHECK(missing.error->status() == 404);
  CHECK(missing.error->message() == "Not found: there is no GET /nothing");
  const auto wrong = router.match("DELETE", "/collections/c");
  REQUIRE(wrong.error);
  CHECK(wrong.error->status() == 405);
  CHECK(wrong.error->headers() == std::vector<std::pair<std::string, std::string>>{{"Allow", "GET, PUT"}});
}

TEST_CASE("bad percent-encoding and targets that are no path are 400") {
  const Router router = make_router();
  for (const char* target : {"/collections/%", "/collections/%4", "/collections/%zz", "*", "http://host/", ""})
    CHECK(router.match("GET", target).error->status() == 400);
}

TEST_CASE("query strings are decoded, the last of equal names counts") {
  const Request request{};
  const Call call{request, {}, parse_query_string("wait=false&a+b=%41%26&&flag&wait=true")};
  CHECK(call.query_value("a b") == "A&");
  CHECK(call.query_value("flag") == "");
  CHECK(call.query_flag("wait", false));
  CHECK(call.query_flag("absent", true));
  CHECK_THROWS_AS(call.query_flag("flag", true), HttpError);
  CHECK_THROWS_AS(parse_query_string("a=%"), HttpError);
}

}  // namespace nestor::server
