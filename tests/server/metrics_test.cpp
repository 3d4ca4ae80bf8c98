#include "server/metrics.h"

#include "tests/server/support/api_fixture.h"
#include "tests/server/support/server_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

// The value of the line "name{labels} value"; -1: there is none.
double value_of(const std::string& text, const std::string& series) {
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

}  // namespace

TEST_CASE("metrics tell of every collection: rows, deaths, memory and disk") {
  ApiFixture fixture;
  fixture.create(2);
  fixture.fill_line(8, 2);
  fixture.post("/collections/c/points/delete", {{"points", {1, 2}}});
  Api measured(*fixture.database, {}, {{}, {}, fixture.directory.path()});
  const Response response = measured.handle({"GET", "/metrics", "", {}});
  CHECK(response.status == 200);
  CHECK(response.content_type.starts_with("text/plain; version=0.0.4"));
  const std::string& text = response.body;
  const auto of = [&](const std::string& name) {
    return value_of(text, "nestor_collection_" + name + "{collection=\"c\"}");
  };
  CHECK(of("points") == 6);
  CHECK(of("tail_rows") == 8);
  CHECK(of("dead_slots") == 2);
  CHECK(of("dead_ratio") == 0.25);
  CHECK(of("generation_sequence") == 0);
  CHECK(of("building") == 0);
  CHECK(of("disk_bytes") > 1000);
  CHECK(value_of(text, "nestor_collection_memory_bytes{collection=\"c\",part=\"tail\"}") > 0);
  CHECK(value_of(text, "nestor_collections") == 1);
  CHECK(value_of(text, "nestor_collections_damaged") == 0);
  CHECK(value_of(text, "process_resident_memory_bytes") > 1e6);
  CHECK(text.find("\nnestor_build_info{version=\"") != std::string::npos);
}

TEST_CASE("requests are counted by route and status, connections by what became of them") {
  ServerFixture fixture;
  RawClient client(fixture.start());
  for (int i = 0; i < 3; ++i) {
    client.request("GET", "/collections/nope");
    CHECK(client.reply()->status == 404);
  }
  client.request("GET", "/nowhere");
  CHECK(client.reply()->status == 404);
  client.request("GET", "/metrics");
  const auto reply = client.reply();
  REQUIRE(reply);
  const std::string& text = reply->body;
  CHECK(value_of(text, R"(nestor_http_requests_total{method="GET",route="/collections/{name}",status="404"})") == 3);
  CHECK(value_of(text, R"(nestor_http_requests_total{method="",route="",status="404"})") == 1);
  CHECK(value_of(text, R"(nestor_http_request_duration_seconds_count{method="GET",route="/collections/{name}"})") == 3);
  CHECK(value_of(text, R"(rest_responses_total{method="GET",endpoint="/collections/{collection_name}",status="404"})") ==
        3);
  CHECK(text.find("\napp_info{name=\"nestor\",version=\"") != std::string::npos);
  CHECK(value_of(text, "collections_total") == 0);
  CHECK(value_of(text, "nestor_http_connections") == 1);
  CHECK(value_of(text, R"(nestor_http_connections_total{outcome="accepted"})") == 1);
  client.request("GET", "/telemetry");
  const json result = json::parse(client.reply()->body)["result"];
  CHECK(result["app"]["name"] == "nestor");
  CHECK(result["collections"]["number_of_collections"] == 0);
  CHECK(result["requests"]["rest"]["responses"]["GET /collections/{collection_name}"]["404"]["count"] == 3);
}

TEST_CASE("stages of searches are counted, one search in sixteen") {
  ApiFixture fixture;
  Metrics& metrics = fixture.api.metrics();
  int wanted = 0;
  for (int i = 0; i < 160; ++i) wanted += metrics.wants_stages();
  CHECK(wanted == 10);
  index::StageReport stage;
  stage.name = "walk";
  stage.width = 64;
  stage.microseconds = 40;
  stage.coordinates_read = 100;
  stage.distance_evaluations = 7;
  metrics.count_stages(std::vector{stage, stage});
  const std::string text = metrics.text();
  CHECK(value_of(text, R"(nestor_search_stage_coordinates_total{stage="walk",width="64"})") == 200);
  CHECK(value_of(text, R"(nestor_search_stage_distances_total{stage="walk",width="64"})") == 14);
  CHECK(value_of(text, R"(nestor_search_stage_duration_seconds_count{stage="walk",width="64"})") == 2);
}

}  // namespace nestor::server::testing
