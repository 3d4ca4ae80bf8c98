// Queries beyond the nearest neighbours: prefetches, fusion, examples, order, samples, groups, facets.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kQuery = "/collections/c/points/query";
using Ids = std::vector<std::uint64_t>;

// 20 points on a line, widths 2 and 4: point i is (i, 0, 0, 0), its name "i", its token i % 3.
struct Line : ApiFixture {
  Line() {
    create(4, "Euclid", {{"matryoshka", {{"widths", {2, 4}}}}});
    fill_line(20, 4);
  }
  json points(const std::string& body, const std::string& path = kQuery) {
    const Reply reply = call("POST", path, body);
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
    return path == kQuery ? reply.result()["points"] : reply.result();
  }
  Ids ids(const std::string& body, const std::string& path = kQuery) { return ids_of(points(body, path)); }
  std::string refusal(const std::string& body, int status = 400) {
    const Reply reply = call("POST", kQuery, body);
    CHECK(reply.status == status);
    return reply.status == 200 ? "" : reply.error();
  }
};

// 300 random points of 8 coordinates and the brute force over them.
struct Cloud : ApiFixture {
  static constexpr int kDim = 8;
  std::vector<std::vector<float>> rows;

  explicit Cloud(const std::string& distance) {
    create(kDim, distance);
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    json list = json::array();
    for (int i = 0; i < 300; ++i) {
      std::vector<float> row(kDim);
      for (float& x : row) x = normal(random);
      if (distance == "Cosine") {
        float squares = 0;
        for (const float x : row) squares += x * x;
        for (float& x : row) x /= std::sqrt(squares);
      }
      rows.push_back(row);
      list.push_back({{"id", i}, {"vector", row}, {"payload", {{"group", i % 7}}}});
    }
    put("/collections/c/points?wait=true", {{"points", list}});
  }
  static float dot(const std::vector<float>& a, const std::vector<float>& b) {
    float sum = 0;
    for (int i = 0; i < kDim; ++i) sum += a[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(i)];
    return sum;
  }
  // The ids of the largest scores, without `skip`.
  template <typename Score>
  Ids best(const Score& score, std::size_t count, const std::set<std::uint64_t>& skip) const {
    std::vector<std::pair<float, std::uint64_t>> all;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (!skip.contains(i)) all.emplace_back(-score(rows[i]), i);
    std::sort(all.begin(), all.end());
    Ids ids;
    for (std::size_t i = 0; i < count; ++i) ids.push_back(all[i].second);
    return ids;
  }
  Ids ids(const json& body) {
    const Reply reply = post(kQuery, body);
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
    return ids_of(reply.result()["points"]);
  }
};

}  // namespace

TEST_CASE("a query ranks what its prefetches found, and nothing else") {
  Line line;
  CHECK(line.ids(R"({"prefetch":{"query":[5,0,0,0],"limit":3},"query":[20,0,0,0]})") == Ids{6, 5, 4});
  CHECK(line.ids(R"({"prefetch":[{"query":[1,0,0,0],"limit":2},{"query":[20,0],"limit":2}],"query":[9,0,0,0],
    "limit":3})") == Ids{2, 1, 19});
  CHECK(line.ids(R"({"prefetch":{"prefetch":{"query":[10,0,0,0],"limit":7},"query":[13,0,0,0],"limit":3},
    "query":[0,0,0,0],"limit":2,"offset":1})") == Ids{12, 13});
}

TEST_CASE("a filter holds for the prefetches below it") {
  Line line;
  CHECK(line.ids(R"({"prefetch":{"query":[5,0,0,0],"limit":3},"query":[5,0,0,0],
    "filter":{"must":{"key":"token","match":{"value":0}}}})") == Ids{6, 3, 9});
  CHECK(line.ids(R"({"prefetch":[{"query":[5,0,0,0],"limit":2,"filter":{"must":{"key":"token","match":{"value":1}}}},
    {"query":[5,0,0,0],"limit":2}],"query":[0,0,0,0],"filter":{"must_not":{"has_id":[5]}}})") == Ids{4, 6, 7});
}

TEST_CASE("prefetches at other widths and their reports") {
  Line line;
  const Reply reply = line.call("POST", kQuery, R"({"prefetch":{"query":[5,0,0,0],"limit":5,"params":{"matryoshka":
    {"width":2,"explain":true}}},"query":[5,0,0,0],"limit":2,"params":{"matryoshka":{"explain":true}}})");
  REQUIRE(reply.status == 200);
  const json explain = reply.result()["explain"];
  REQUIRE(explain.size() >= 2);
  CHECK(explain[0]["stage"].get<std::string>().starts_with("prefetch[0]."));
  CHECK(explain[0]["width"] == 2);
  CHECK_FALSE(explain.back()["stage"].get<std::string>().starts_with("prefetch"));
}

TEST_CASE("prefetches are checked") {
  Line line;
  CHECK(line.refusal(R"({"prefetch":{"query":[5,0,0,0]}})").find("A query is needed to merge") != std::string::npos);
  CHECK(line.refusal(R"({"query":{"fusion":"rrf"}})").find("needs prefetches") != std::string::npos);
  CHECK(line.refusal(R"({"prefetch":{"query":[5,0,0,0]},"query":{"fusion":"rrf"},"using":""})")
            .find("cannot be combined with the 'using' field") != std::string::npos);
  CHECK(line.refusal(R"({"prefetch":3,"query":[5,0,0,0]})").find("for `prefetch`") != std::string::npos);
  CHECK(line.refusal(R"({"prefetch":{"query":[5,0,0]},"query":[5,0,0,0]})").find("dimension error") !=
        std::string::npos);
  std::string deep = R"({"query":[5,0,0,0]})";
  for (int i = 0; i < 9; ++i) deep = R"({"query":[5,0,0,0],"prefetch":)" + deep + "}";
  CHECK(line.refusal(deep).find("nested more than 8 deep") != std::string::npos);
}

TEST_CASE("reciprocal rank fusion adds up reciprocal ranks") {
  Line line;
  const json points = line.points(R"({"prefetch":[{"query":[5,0,0,0],"limit":3},{"query":[6.2,0,0,0],"limit":3}],
    "query":{"fusion":"rrf"}})");
  // Lists 5 4 6 (a tie of 4 and 6 goes to the older point) and 6 7 5.
  CHECK(ids_of(points) == Ids{5, 6, 4, 7});
  CHECK(points[0]["score"].get<float>() == Approx(1.0 / 2 + 1.0 / 4));
  CHECK(points[2]["score"].get<float>() == Approx(1.0 / 3));
  const json weighted = line.points(R"({"prefetch":[{"query":[5,0,0,0],"limit":3},{"query":[6.2,0,0,0],"limit":3}],
    "query":{"rrf":{"k":60,"weights":[3,0]}},"score_threshold":0.0167})");
  CHECK(ids_of(weighted) == Ids{5, 4});
  CHECK(weighted[0]["score"].get<float>() == Approx(1 / (1.0 / 3 + 59)));
  CHECK(line.refusal(R"({"prefetch":{"query":[5,0,0,0]},"query":{"rrf":{"weights":[1,2]}}})", 422)
            .find("2 weights for 1 prefetches") != std::string::npos);
}

TEST_CASE("distribution-based fusion maps three deviations to one") {
  Line line;
  const json points = line.points(R"({"prefetch":[{"query":[0,0,0,0],"limit":3},{"query":[2,0,0,0],"limit":1}],
    "query":{"fusion":"dbsf"}})");
  // Distances 1 2 3: mean 2, deviation 1; the second list holds one point alone.
  CHECK(ids_of(points) == Ids{2, 1, 3});
  CHECK(points[0]["score"].get<float>() == Approx(0.5 + 0.5));
  CHECK(points[1]["score"].get<float>() == Approx(4.0 / 6));
  CHECK(points[2]["score"].get<float>() == Approx(2.0 / 6));
}

TEST_CASE("recommending by the average vector leaves the examples out") {
  Line line;
  CHECK(line.ids(R"({"query":{"recommend":{"positive":[4,6]}},"limit":3})") == Ids{5, 3, 7});
  CHECK(line.ids(R"({"query":{"recommend":{"positive":[4],"negative":[2]}},"limit":2})") == Ids{6, 5});
  CHECK(line.ids(R"({"query":{"recommend":{"positive":[[10,0,0,0],9]}},"limit":1})") == Ids{10});
  CHECK(line.ids(R"({"positive":[4,6],"limit":3})", "/collections/c/points/recommend") == Ids{5, 3, 7});
  CHECK(line.refusal(R"({"query":{"recommend":{"negative":[1]}}})") ==
        "Bad request: At least one positive vector ID required with this strategy");
  CHECK(line.refusal(R"({"query":{"recommend":{"positive":[99]}}})", 404) == "Not found: No point with id 99 found");
  CHECK(line.refusal(R"({"query":{"recommend":{}}})", 422).find("positive or negative") != std::string::npos);
  CHECK(line.refusal(R"({"query":{"recommend":{"positive":[1],"strategy":"luck"}}})").find("`luck`") !=
        std::string::npos);
}

TEST_CASE("best score, sums, contexts and discoveries agree with brute force") {
  for (const std::string distance : {"Cosine", "Dot"}) {
    Cloud cloud(distance);
    const auto& r = cloud.rows;
    const auto squash = [](float x) { return (x / (1 + std::abs(x)) + 1) / 2; };
    const auto best_score = [&](const std::vector<float>& x) {
      const float best = std::max(Cloud::dot(x, r[1]), Cloud::dot(x, r[2])), worst = Cloud::dot(x, r[3]);
      return best > worst ? squash(best) : -squash(worst);
    };
    CHECK(cloud.ids({{"query", {{"recommend", {{"positive", {1, 2}}, {"negative", {3}}, {"strategy", "best_score"}}}}},
                     {"limit", 250}}) == cloud.best(best_score, 250, {1, 2, 3}));
    const auto sums = [&](const std::vector<float>& x) { return Cloud::dot(x, r[1]) - Cloud::dot(x, r[3]); };
    CHECK(cloud.ids({{"query", {{"recommend", {{"positive", {1}}, {"negative", {3}}, {"strategy", "sum_scores"}}}}}}) ==
          cloud.best(sums, 10, {1, 3}));
    const auto discover = [&](const std::vector<float>& x) {
      return (Cloud::dot(x, r[1]) > Cloud::dot(x, r[3]) ? 1.0f : -1.0f) + squash(Cloud::dot(x, r[9]));
    };
    CHECK(cloud.ids({{"query", {{"discover", {{"target", 9}, {"context", {{{"positive", 1}, {"negative", 3}}}}}}}}}) ==
          cloud.best(discover, 10, {1, 3, 9}));
    CHECK(cloud.ids({{"query", {{"context", {{{"positive", 1}, {"negative", 3}}}}}}, {"limit", 5}}).size() == 5);
  }
}

TEST_CASE("diverse answers keep the nearest first and move away from it") {
  Cloud cloud("Cosine");
  const Ids plain = cloud.ids({{"query", {{"nearest", cloud.rows[0]}}}, {"limit", 5}});
  const auto with = [&](double share) {
    return cloud.ids({{"query", {{"nearest", cloud.rows[0]}, {"mmr", {{"diversity", share}, {"candidates_limit", 100}}}}},
                      {"limit", 5}});
  };
  CHECK(with(0) == plain);
  CHECK(with(0.9)[0] == plain[0]);
  CHECK(with(0.9) != plain);
}

TEST_CASE("an id may stand in another collection") {
  Line line;
  line.put("/collections/d", {{"vectors", {{"size", 4}, {"distance", "Euclid"}}}});
  line.put("/collections/d/points", json::parse(R"({"points":[{"id":100,"vector":[8,0,0,0]}]})"));
  CHECK(line.ids(R"({"query":100,"lookup_from":{"collection":"d"},"limit":1})") == Ids{8});
  CHECK(line.refusal(R"({"query":8,"lookup_from":{"collection":"e"}})", 404).find("Collection e not found") !=
        std::string::npos);
}

TEST_CASE("points come in the order of a payload key") {
  Line line;
  line.call("PUT", "/collections/c/points", R"({"points":[
    {"id":30,"vector":[1,1,1,1],"payload":{"at":"2024-01-02T00:00:00Z","n":[7,2.5]}},
    {"id":31,"vector":[1,1,1,1],"payload":{"at":"2023-01-02","n":18446744073709551615}},
    {"id":32,"vector":[1,1,1,1],"payload":{"at":"2024-01-02T00:00:00+01:00","n":-3}}]})");
  CHECK(line.ids(R"({"query":{"order_by":"at"}})") == Ids{31, 32, 30});
  CHECK(line.ids(R"({"query":{"order_by":{"key":"at","start_from":"2024-01-01"}}})") == Ids{32, 30});
  const json numbers = line.points(R"({"query":{"order_by":{"key":"n","direction":"desc"}}})");
  CHECK(ids_of(numbers) == Ids{31, 30, 30, 32});
  CHECK(numbers[0]["order_value"] == 18446744073709551615u);
  CHECK(numbers[2]["order_value"] == 2.5);
  CHECK(line.ids(R"({"prefetch":{"query":[5,0,0,0],"limit":4},"query":{"order_by":{"key":"token","direction":"desc"}},
    "limit":1})") == Ids{5});
  const Reply scrolled = line.call("POST", "/collections/c/points/scroll",
                                   R"({"order_by":{"key":"token","start_from":1},"limit":2,"with_payload":false,
    "filter":{"must_not":{"has_id":[1]}}})");
  CHECK(scrolled.result() == json::parse(R"({"points":[{"id":4,"order_value":1},{"id":7,"order_value":1}],
    "next_page_offset":null})"));
  CHECK(line.call("POST", "/collections/c/points/scroll", R"({"order_by":"n","offset":1})").status == 400);
}

TEST_CASE("a sample holds distinct points of the filter") {
  Line line;
  const Ids ids = line.ids(R"({"query":{"sample":"random"},"limit":5,"filter":{"must":{"key":"token","match":{"value":0}}}})");
  CHECK(std::set<std::uint64_t>(ids.begin(), ids.end()).size() == 5);
  for (const auto id : ids) CHECK(id % 3 == 0);
  CHECK(line.ids(R"({"query":{"sample":"random"},"limit":50})").size() == 20);
}

TEST_CASE("groups hold the best hits of the best values") {
  Line line;
  const auto groups = [&](const std::string& body, const std::string& kind = "query") {
    const Reply reply = line.call("POST", "/collections/c/points/" + kind + "/groups", body);
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
    return reply.result()["groups"];
  };
  const json found = groups(R"({"query":[5,0,0,0],"group_by":"token","group_size":2,"limit":2})");
  REQUIRE(found.size() == 2);
  CHECK(found[0]["id"] == 2);
  CHECK(ids_of(found[0]["hits"]) == Ids{5, 2});
  CHECK(found[1]["id"] == 1);
  CHECK(ids_of(found[1]["hits"]) == Ids{4, 7});
  CHECK(groups(R"({"query":[5,0,0,0],"group_by":"name","limit":20,"group_size":1})").size() == 20);
  CHECK(groups(R"({"vector":[5,0,0,0],"group_by":"token","group_size":1,"limit":1})", "search")[0]["id"] == 2);
  line.put("/collections/d", {{"vectors", {{"size", 4}, {"distance", "Euclid"}}}});
  line.put("/collections/d/points", json::parse(R"({"points":[{"id":2,"vector":[8,0,0,0],"payload":{"a":1}}]})"));
  const json looked_up = groups(R"({"query":[5,0,0,0],"group_by":"token","limit":2,"with_lookup":"d"})");
  CHECK(looked_up[0]["lookup"] == json::parse(R"({"id":2,"payload":{"a":1}})"));
  CHECK_FALSE(looked_up[1].contains("lookup"));
}

TEST_CASE("a facet counts points by value") {
  Line line;
  line.call("PUT", "/collections/c/points", R"({"points":[
    {"id":30,"vector":[1,1,1,1],"payload":{"tag":["a","b","a"]}},{"id":31,"vector":[1,1,1,1],"payload":{"tag":"a"}},
    {"id":32,"vector":[1,1,1,1],"payload":{"tag":[true,1.5,null]}}]})");
  const auto facet = [&](const std::string& body) {
    const Reply reply = line.call("POST", "/collections/c/facet", body);
    REQUIRE(reply.status == 200);
    return reply.result()["hits"];
  };
  CHECK(facet(R"({"key":"tag"})") == json::parse(R"([{"value":"a","count":2},{"value":"b","count":1},
    {"value":true,"count":1}])"));
  CHECK(facet(R"({"key":"token","limit":1,"filter":{"must":{"key":"token","range":{"lt":2}}}})") ==
        json::parse(R"([{"value":1,"count":7}])"));
  CHECK(facet(R"({"key":"nothing"})").empty());
}

TEST_CASE("a matrix holds the nearest neighbours within a sample") {
  Line line;
  const Reply pairs = line.call("POST", "/collections/c/points/search/matrix/pairs",
                                R"({"sample":3,"limit":2,"filter":{"must":{"has_id":[1,2,9]}}})");
  CHECK(pairs.result()["pairs"] == json::parse(R"([{"a":1,"b":2,"score":1.0},{"a":1,"b":9,"score":8.0},
    {"a":2,"b":1,"score":1.0},{"a":2,"b":9,"score":7.0},{"a":9,"b":2,"score":7.0},{"a":9,"b":1,"score":8.0}])"));
  const Reply offsets = line.call("POST", "/collections/c/points/search/matrix/offsets",
                                  R"({"sample":3,"limit":1,"filter":{"must":{"has_id":[1,2,9]}}})");
  CHECK(offsets.result() == json::parse(R"({"offsets_row":[0,1,2],"offsets_col":[1,0,1],"scores":[1.0,1.0,7.0],
    "ids":[1,2,9]})"));
}

TEST_CASE("a width gives back the prefix that ranked") {
  ApiFixture fixture;
  fixture.create(4, "Cosine", {{"matryoshka", {{"widths", {2, 4}}}}});
  fixture.put("/collections/c/points", json::parse(R"({"points":[{"id":1,"vector":[3,4,12,0]}]})"));
  const auto vector = [&](const std::string& params) {
    const Reply reply = fixture.call("POST", kQuery, R"({"query":[1,1,1,1],"with_vector":true,"params":)" + params + "}");
    REQUIRE(reply.status == 200);
    return reply.result()["points"][0]["vector"].get<std::vector<float>>();
  };
  const auto prefix = vector(R"({"matryoshka":{"width":2}})");
  REQUIRE(prefix.size() == 2);
  CHECK(prefix[0] == Approx(0.6f));
  CHECK(prefix[1] == Approx(0.8f));
  CHECK(vector("{}").size() == 4);
}

}  // namespace nestor::server::testing
