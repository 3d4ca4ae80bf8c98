#include <cmath>
#include <map>

#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kLookup = "/collections/c/knnlm/lookup";

struct Datastore : ApiFixture {
  Datastore() {
    create(2);
    fill_line(12, 2);
  }
  Reply lookup(const std::string& body) { return call("POST", kLookup, body); }
  std::string refusal(const std::string& body, int status = 400) {
    const Reply reply = lookup(body);
    CHECK(reply.status == status);
    return reply.status == 200 ? "" : reply.error();
  }
};

}  // namespace

TEST_CASE("a lookup is the softmax of minus the distances, summed by token") {
  Datastore store;
  const double temperature = 4.0, at = 3.25;
  const Reply reply = store.lookup(R"({"queries":[[3.25,0],[11,0]],"k":5,"temperature":4.0,"params":{"exact":true}})");
  REQUIRE(reply.status == 200);
  const json distributions = reply.result()["distributions"];
  REQUIRE(distributions.size() == 2);
  // Points 1..5 are the five nearest to 3.25.
  std::map<int, double> mass;
  double sum = 0;
  for (int i = 1; i <= 5; ++i) {
    const double weight = std::exp(-(at - i) * (at - i) / temperature);
    mass[i % 3] += weight;
    sum += weight;
  }
  CHECK(distributions[0]["neighbours"] == 5);
  REQUIRE(distributions[0]["tokens"].size() == mass.size());
  double previous = 1, total = 0;
  for (const json& entry : distributions[0]["tokens"]) {
    const double probability = entry["probability"];
    CHECK(probability == Approx(mass.at(entry["token"]) / sum).margin(1e-5));
    CHECK(probability <= previous);
    previous = probability;
    total += probability;
  }
  CHECK(total == Approx(1.0));
  CHECK_FALSE(distributions[0].contains("explain"));
}

TEST_CASE("top cuts the list and explain comes per query") {
  Datastore store;
  const Reply reply = store.lookup(R"({"queries":[[3,0]],"top":1,"params":{"matryoshka":{"explain":true}}})");
  REQUIRE(reply.status == 200);
  CHECK(reply.result()["distributions"][0]["tokens"].size() == 1);
  CHECK(reply.result()["distributions"][0]["explain"].is_array());
  CHECK(store.lookup(R"({"queries":[[3,0]],"top":0})").result()["distributions"][0]["tokens"].size() == 3);
  CHECK(store.lookup(R"({"queries":[[3,0]]})").result()["distributions"][0]["neighbours"] == 12);
}

TEST_CASE("a lookup refuses bad input") {
  Datastore store;
  CHECK(store.refusal(R"({"queries":[[1,2,3]]})") == "Wrong input: Vector dimension error: expected dim: 2, got 3");
  CHECK(store.refusal(R"({"queries":[[1,2],[1]]})") == "Wrong input: Vector dimension error: expected dim: 2, got 1");
  CHECK(store.refusal(R"({"queries":[1,2]})").find("double brackets") != std::string::npos);
  CHECK(store.refusal(R"({"queries":[]})") == "Wrong input: `queries` is empty");
  CHECK(store.refusal(R"({"queries":[[1,"a"]]})").find("position 1 of `queries[0]`") != std::string::npos);
  CHECK(store.refusal("{}") == "Format error in JSON body: missing field `queries`");
  CHECK(store.refusal(R"({"queries":[[1,2]],"temperature":0})", 422) ==
        "Validation error in JSON body: [temperature: value 0 invalid, must be greater than 0]");
  CHECK(store.refusal(R"({"queries":[[1,2]],"temperature":-1})", 422).find("greater than 0") != std::string::npos);
  CHECK(store.refusal(R"({"queries":[[1,2]],"k":0})", 422).find("[k: ") != std::string::npos);
  CHECK(store.refusal(R"({"queries":[[1,2]],"k":4097})", 422).find("must be from 1 to 4096") != std::string::npos);
  CHECK(store.refusal(R"({"queries":[[1,2]],"filter":{}})").find("not supported yet") != std::string::npos);
  CHECK(store.call("POST", "/collections/d/knnlm/lookup", "{}").status == 404);
}

TEST_CASE("points without a token do not take part") {
  Datastore store;
  store.put("/collections/c/points", json::parse(R"({"points":[{"id":100,"vector":[3,0.1]}]})"));
  const Reply reply = store.lookup(R"({"queries":[[3,0]],"k":2})");
  CHECK(reply.result()["distributions"][0]["neighbours"] == 1);
}

}  // namespace nestor::server::testing
