#include "server/collection_config.h"
#include "server/protocol.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {

TEST_CASE("the root tells the dialect's version without an envelope") {
  ApiFixture fixture;
  const Reply reply = fixture.get("/");
  CHECK(reply.status == 200);
  CHECK(reply.body.at("version").get<std::string>().starts_with("1.19."));
  CHECK_FALSE(reply.body.contains("result"));
}

TEST_CASE("health checks answer text, and ready says no while stopping") {
  ApiFixture fixture;
  CHECK(fixture.get("/healthz").raw.body == "healthz check passed");
  CHECK(fixture.get("/livez").status == 200);
  CHECK(fixture.get("/readyz").raw.body == "all shards are ready");
  fixture.api.begin_stop();
  const Reply reply = fixture.get("/readyz");
  CHECK(reply.status == 503);
  CHECK(reply.raw.content_type == "text/plain; charset=utf-8");
  CHECK(fixture.get("/healthz").status == 200);
}

TEST_CASE("health checks need no worker and writes have their own") {
  ApiFixture fixture;
  CHECK(fixture.api.match("GET", "/healthz").lane() == Lane::inline_);
  CHECK(fixture.api.match("GET", "/readyz").lane() == Lane::inline_);
  CHECK(fixture.api.match("PUT", "/collections/c/points").lane() == Lane::write);
  CHECK(fixture.api.match("POST", "/collections/c/points/query").lane() == Lane::short_read);
  CHECK(fixture.api.match("POST", "/collections/c/points/scroll").lane() == Lane::read);
  CHECK(fixture.api.match("GET", "/nothing").lane() == Lane::inline_);
}

TEST_CASE("unknown routes and methods answer with the error envelope") {
  ApiFixture fixture;
  const Reply missing = fixture.get("/nothing?x=1");
  CHECK(missing.status == 404);
  CHECK(missing.error() == "Not found: there is no GET /nothing");
  CHECK(missing.body.at("time").is_number());
  CHECK_FALSE(missing.body.contains("result"));
  const Reply wrong = fixture.call("PATCH", "/collections");
  CHECK(wrong.status == 405);
  CHECK(wrong.raw.headers.at(0) == std::pair<std::string, std::string>("Allow", "GET"));
}

TEST_CASE("bodies in encodings that are not spoken are 415") {
  ApiFixture fixture;
  fixture.create(2);
  const auto with = [&](std::string_view name, std::string_view value) {
    return fixture.call("POST", "/collections/c/points/count", "{}", {{name, value}}).status;
  };
  CHECK(with("content-encoding", "gzip") == 415);
  CHECK(with("content-type", "application/json; charset=utf-8") == 200);
  CHECK(with("content-type", "application/x-www-form-urlencoded") == 200);  // curl -d says so
}

TEST_CASE("every error code has its status and its prefix") {
  using index::ErrorCode;
  const std::vector<std::tuple<ErrorCode, int, std::string>> expected = {
      {ErrorCode::invalid_argument, 400, "Wrong input: x"},
      {ErrorCode::not_found, 404, "Not found: x"},
      {ErrorCode::already_exists, 409, "Wrong input: x"},
      {ErrorCode::failed_precondition, 409, "Bad request: x"},
      {ErrorCode::resource_exhausted, 507, "Insufficient storage: x"},
      {ErrorCode::permission_denied, 403, "Forbidden: x"},
      {ErrorCode::data_loss, 500, "Service internal error: x"},
      {ErrorCode::unavailable, 503, "Service unavailable: x"},
      {ErrorCode::internal, 500, "Service internal error: x"}};
  for (const auto& [code, status, message] : expected) {
    const Response response = error_response(index::Error(code, "x"), 0.5);
    CHECK(response.status == status);
    const json body = json::parse(response.body);
    CHECK(body.at("status").at("error") == message);
    CHECK(body.at("time") == 0.5);
    CHECK(reason_phrase(status) != "Unknown");
  }
  CHECK(error_response(index::Error(ErrorCode::unavailable, "x"), 0).headers.at(0).first == "Retry-After");
}

}  // namespace nestor::server::testing
