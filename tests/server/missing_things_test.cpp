#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {

TEST_CASE("every call on a collection that does not exist is a 4xx that says why, and makes nothing") {
  ApiFixture fixture;
  const std::pair<const char*, const char*> calls[] = {
      {"POST", "points/recommend/groups"},
      {"POST", "points/recommend/batch"},
      {"POST", "points/discover"},
      {"POST", "points/discover/batch"},
      {"DELETE", "calibrations/1"},
      {"GET", "calibrations"},
      {"GET", "certificates"},
      {"DELETE", "certificates"},
      {"POST", "knnlm/score"},
      {"POST", "knnlm/search"},
      {"POST", "knnlm/append"},
      {"POST", "knnlm/build"},
      {"POST", "knnlm/distances"},
      {"POST", "knnlm/get_vectors"},
      {"POST", "knnlm/next_ids"},
      {"POST", "knnlm/score_candidates"},
      {"POST", "analyze/dispersion"},
  };
  for (const auto& [method, path] : calls) {
    INFO(method << " " << path);
    const Reply reply = fixture.call(method, std::string("/collections/nope/") + path,
                                     R"({"queries":[[1,2]],"searches":[],"ids":[1],"limit":1,"targets":[1],)"
                                     R"("keys":[[1,2]],"values":[1],"positive":[[1,2]],"group_by":"a"})");
    CHECK(reply.status >= 400);
    CHECK(reply.status < 500);
    CHECK_FALSE(reply.error().empty());
  }
  CHECK(fixture.get("/collections").result().at("collections").empty());
}

TEST_CASE("calls of a cluster are refused by a single node, and snapshots that are not there are not found") {
  ApiFixture fixture;
  REQUIRE(fixture.create(2).status == 200);
  CHECK(fixture.call("POST", "/cluster/recover", "{}").status == 405);
  CHECK(fixture.call("DELETE", "/cluster/peer/1").status == 405);
  CHECK(fixture.call("PUT", "/collections/c/shards", "{}").status == 405);
  CHECK(fixture.call("POST", "/collections/c/shards/delete", "{}").status == 405);
  CHECK(fixture.get("/snapshots/nothing.snapshot").status == 404);
}

}  // namespace nestor::server::testing
