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

TEST_CASE("slashes are merged and trimmed, encoded ones are not") {
  const Router router = make_router();
  for (const char* target : {"/collections/", "//collections", "/collections//", "///collections///"})
    CHECK(pattern_of(router.match("GET", target)) == "/collections");
  CHECK(pattern_of(router.match("GET", "//")) == "/");
  CHECK(router.match("GET", "/collections/c//points/1").parameters == std::vector<std::string>{"c", "1"});
  CHECK(router.match("GET", "/collections/c/points/1/").parameters == std::vector<std::string>{"c", "1"});
  CHECK(router.match("GET", "/collections/%2F%2F").parameters == std::vector<std::string>{"//"});
}

TEST_CASE("a timeout is a number of seconds") {
  const auto timeout = [](const char* query) {
    const Request request{"GET", "/", "", {}};
    return Call{request, {}, parse_query_string(query)}.timeout();
  };
  CHECK_FALSE(timeout("wait=true"));
  CHECK(timeout("timeout=7") == 7u);
  const auto status = [&](const char* query) {
    try {
      timeout(query);
      return 200;
    } catch (const HttpError& error) {
      return error.status();
    }
  };
  CHECK(status("timeout=0") == 422);
  for (const char* query : {"timeout=abc", "timeout=", "timeout=-1", "timeout=1.5", "timeout=1s"})
    CHECK(status(query) == 400);
}

TEST_CASE("a target with its origin means the path") {
  const Router router = make_router();
  CHECK(pattern_of(router.match("GET", "http://any:6333/collections/c")) == "/collections/{name}");
  CHECK(pattern_of(router.match("GET", "https://any/")) == "/");
  CHECK(pattern_of(router.match("GET", "http://any")) == "/");
  CHECK(router.match("GET", "http://any/collections?timeout=3").query == "timeout=3");
  CHECK(router.match("GET", "ftp://any/collections").error->status() == 400);
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
  for (const char* target : {"/collections/%", "/collections/%4", "/collections/%zz", "*", ""})
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
