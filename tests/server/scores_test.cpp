// Scores as the dialect defines them, and what must never rank.
#include <cmath>
#include <random>

#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kQuery = "/collections/c/points/query";
using Ids = std::vector<std::uint64_t>;

struct Scored : ApiFixture {
  Scored(const std::string& distance, const std::vector<std::vector<float>>& rows, const json& more = json::object()) {
    create(static_cast<int>(rows.front().size()), distance, more);
    json points = json::array();
    for (std::size_t i = 0; i < rows.size(); ++i) points.push_back({{"id", i + 1}, {"vector", rows[i]}});
    REQUIRE(put("/collections/c/points", {{"points", points}}).status == 200);
  }
  json points(const std::string& body) {
    const Reply reply = call("POST", kQuery, body);
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
    return reply.result()["points"];
  }
  // Ids and scores, in order.
  void check(const std::string& body, const std::vector<std::pair<std::uint64_t, double>>& expected) {
    INFO(body);
    const json found = points(body);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(found[i]["id"] == expected[i].first);
      CHECK(found[i]["score"].get<double>() == Approx(expected[i].second).margin(1e-4));
    }
  }
};

}  // namespace

TEST_CASE("each pair of a context is squashed before the pairs are added up") {
  Scored dot("Dot", {{0, 4}, {1.5, 1.5}});
  dot.check(R"({"query":{"context":[{"positive":[0,0],"negative":[0,1]},{"positive":[0,0],"negative":[1,0]}]}})",
            {{1, -0.8}, {2, -1.2}});
  dot.check(R"({"query":{"context":[{"positive":[0,1],"negative":[0,0]}]}})", {{1, 0}, {2, 0}});
}

TEST_CASE("examples are compared by minus the squared distance with Euclid") {
  Scored near("Euclid", {{0, 0}, {2, 0}, {3, 3}});
  near.check(R"({"query":{"recommend":{"positive":[[0,0]],"strategy":"sum_scores"}}})", {{1, 0}, {2, -4}, {3, -18}});
  near.check(R"({"query":{"recommend":{"positive":[[0,0]],"strategy":"best_score"}}})",
             {{1, 0.5}, {2, 0.1}, {3, 0.02632}});
  near.check(R"({"query":{"context":[{"positive":[0,0],"negative":[2,0]}]}})", {{1, 0}, {2, -0.8}, {3, -8.0 / 9}});
  near.check(R"({"query":{"discover":{"target":[0,0],"context":[]}}})", {{1, 0.5}, {2, 0.1}, {3, 0.02632}});
  near.check(R"({"query":[0,0]})", {{1, 0}, {2, 2}, {3, std::sqrt(18)}});
}

TEST_CASE("diverse answers weigh squared distances with Euclid") {
  // After 1: 3 is worth -0.54 * 4 + 0.46 * 6.25 = 0.715, 2 is worth -0.54 + 0.46 * 2.25 = 0.495; by distances 2 would
  // win.
  Scored line("Euclid", {{0.5, 0}, {-1, 0}, {-2, 0}});
  line.check(R"({"query":{"nearest":[0,0],"mmr":{"diversity":0.46,"candidates_limit":3}},"limit":2})",
             {{1, 0.5}, {3, 2}});
}

TEST_CASE("queries without vectors have the score 1") {
  Scored three("Dot", {{1, 0}, {2, 0}, {3, 0}});
  three.call("POST", "/collections/c/points/payload", R"({"payload":{"n":1},"points":[1,2,3]})");
  for (const char* query : {R"({})", R"({"query":{"order_by":"n"}})", R"({"query":{"sample":"random"}})",
                            R"({"filter":{"must":{"has_id":[1,2]}}})"})
    for (const json& point : three.points(query)) CHECK(point["score"] == 1.0);
}

TEST_CASE("scores and coordinates are written as fractions, whole ones too") {
  Scored two("Dot", {{1, 0}, {2, -0.5}});
  const Reply reply = two.call("POST", kQuery, R"({"query":[1,0],"with_vector":true})");
  CHECK(reply.raw.body.find(R"("score":2.0,"vector":[2.0,-0.5])") != std::string::npos);
  CHECK(reply.raw.body.find(R"("score":1.0,"vector":[1.0,0.0])") != std::string::npos);
  const Reply stored = two.get("/collections/c/points/1");
  CHECK(stored.raw.body.find(R"("vector":[1.0,0.0])") != std::string::npos);
}

TEST_CASE("a zero vector is stored under Cosine and is similar to nothing") {
  for (const char* type : {"float32", "float16"}) {
    Scored three("Cosine", {{0, 0}, {1, 0}, {-1, 0}}, {{"datatype", type}});
    CHECK(three.get("/collections/c/points/1").result()["vector"] == json::parse("[0.0,0.0]"));
    three.check(R"({"query":[2,0]})", {{2, 1}, {1, 0}, {3, -1}});
    three.check(R"({"query":[0,0]})", {{1, 0}, {2, 0}, {3, 0}});
    three.check(R"({"query":1})", {{2, 0}, {3, 0}});
    three.check(R"({"query":[2,0],"params":{"exact":true}})", {{2, 1}, {1, 0}, {3, -1}});
  }
}

TEST_CASE("a cosine lies within -1 and 1, and a row is nearest to itself in float16") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> rows(300, std::vector<float>(3));
  for (auto& row : rows)
    for (float& x : row) x = normal(random);
  for (const char* type : {"float32", "float16"}) {
    Scored cloud("Cosine", rows, {{"datatype", type}});
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const json best = cloud.points(json{{"query", rows[i]}, {"limit", 1}}.dump())[0];
      CHECK(best["id"] == i + 1);
      CHECK(best["score"].get<double>() <= 1);
      CHECK(best["score"].get<double>() > 0.999999);
    }
    for (const json& point : cloud.points(R"({"query":[-1,0,0],"limit":300})"))
      CHECK(std::abs(point["score"].get<double>()) <= 1);
  }
}

TEST_CASE("what is no number never ranks before a number") {
  // Longer ones would overflow where two are compared, and are refused where they are written.
  const std::vector<std::vector<float>> rows = {{2e18f, 2e18f}, {1, 1}, {-2e18f, 2e18f}, {0.5f, 0.5f}};
  Scored dot("Dot", rows);
  for (const char* more : {"", R"(,"params":{"exact":true})", R"(,"limit":3)", R"(,"limit":5000)"}) {
    const json found = dot.points(R"({"query":[2e18,-2e18])" + std::string(more) + "}");
    INFO(more);
    for (int i = 0; i < 3; ++i) CHECK(ids_of(found)[i] != 3);  // the products of 1, 2 and 4 are 0
  }
  for (const char* query :
       {R"({"recommend":{"positive":[[2e18,-2e18]],"strategy":"best_score"}})",
        R"({"recommend":{"positive":[[2e18,-2e18]],"negative":[[2e18,2e18]],"strategy":"sum_scores"}})",
        R"({"discover":{"target":[2e18,-2e18]}})", R"({"context":[{"positive":[2e18,-2e18],"negative":[1,1]}]})",
        R"({"nearest":[2e18,-2e18],"mmr":{"diversity":0.5}})"}) {
    INFO(query);
    const json found = dot.points("{\"query\":" + std::string(query) + "}");
    CHECK(found.size() == 4);
    for (const json& point : found) CHECK(point["score"].is_number_float());
  }
  CHECK(dot.points(R"({"prefetch":[{"query":[2e18,-2e18]},{"query":[1,1]}],"query":{"fusion":"dbsf"}})").size() == 4);
}

TEST_CASE("the threshold of a diverse query decides about its candidates") {
  Scored six("Dot", {{1.5, .5}, {1.25, .5}, {1.1, .5}, {1.05, .5}, {.9, .5}, {.8, .5}});
  CHECK(ids_of(six.points(R"({"query":{"nearest":[1,0.1],"mmr":{"diversity":0.9,"candidates_limit":6}},"limit":3,
    "score_threshold":1.0})")) == Ids{1, 4, 3});
}

TEST_CASE("a sample has no pages") {
  Scored six("Dot", {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}});
  CHECK(six.points(R"({"query":{"sample":"random"},"limit":6,"offset":4})").size() == 6);
}

TEST_CASE("prefetches of groups find enough for the groups") {
  Scored six("Dot", {{1.5, .5}, {1.25, .5}, {1.1, .5}, {1.05, .5}, {.9, .5}, {.8, .5}});
  six.call("POST", "/collections/c/points/payload", R"({"payload":{"g":"a"},"points":[1,2,3,5]})");
  six.call("POST", "/collections/c/points/payload", R"({"payload":{"g":"b"},"points":[4,6]})");
  const json groups = six.call("POST", kQuery + "/groups", R"({"prefetch":{"query":[1,0.1],"limit":2},"query":[1,0.1],
    "group_by":"g","group_size":3,"limit":2})")
                          .result()["groups"];
  REQUIRE(groups.size() == 2);
  CHECK(ids_of(groups[0]["hits"]) == Ids{1, 2, 3});
  CHECK(ids_of(groups[1]["hits"]) == Ids{4, 6});
}

TEST_CASE("a matrix of fewer than two points is empty") {
  Scored two("Dot", {{1, 0}, {2, 0}});
  const std::string body = R"({"filter":{"must":{"has_id":[1]}}})";
  CHECK(two.call("POST", "/collections/c/points/search/matrix/offsets", body).result() ==
        json::parse(R"({"offsets_row":[],"offsets_col":[],"scores":[],"ids":[]})"));
  CHECK(two.call("POST", "/collections/c/points/search/matrix/pairs", body).result() == json::parse(R"({"pairs":[]})"));
}

}  // namespace nestor::server::testing
