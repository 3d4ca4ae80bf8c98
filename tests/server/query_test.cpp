#include "index/options.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kQuery = "/collections/c/points/query";
const std::string kSearch = "/collections/c/points/search";
using Ids = std::vector<std::uint64_t>;

// 20 points on a line, widths 2 and 4.
struct Line : ApiFixture {
  explicit Line(const std::string& distance = "Euclid") {
    create(4, distance, {{"matryoshka", {{"widths", {2, 4}}}}});
    fill_line(20, 4);
  }
  Reply query(const std::string& body) { return call("POST", kQuery, body); }
  Ids ids(const std::string& body) {
    const Reply reply = query(body);
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
    return ids_of(reply.result()["points"]);
  }
  std::string refusal(const std::string& body, int status = 400) {
    const Reply reply = query(body);
    CHECK(reply.status == status);
    return reply.status == 200 ? "" : reply.error();
  }
};

}  // namespace

TEST_CASE("a query answers the nearest points with score and version") {
  Line line;
  const Reply reply = line.query(R"({"query":[5.2,0,0,0],"limit":3})");
  REQUIRE(reply.status == 200);
  const json points = reply.result()["points"];
  CHECK(ids_of(points) == Ids{5, 6, 4});
  CHECK(points[0]["score"].get<float>() == Approx(0.2f).margin(1e-5));
  CHECK(points[0]["version"].is_number_unsigned());
  CHECK_FALSE(points[0].contains("payload"));
  CHECK_FALSE(points[0].contains("vector"));
  CHECK_FALSE(reply.result().contains("explain"));
}

TEST_CASE("limit is ten unless given and offset skips") {
  Line line;
  CHECK(line.ids(R"({"query":[0,0,0,0]})").size() == 10);
  CHECK(line.ids(R"({"query":{"nearest":[0,0,0,0]},"limit":2,"offset":3})") == Ids{4, 5});
  CHECK(line.ids(R"({"query":[0,0,0,0],"limit":5,"offset":18})") == Ids{19, 20});
  CHECK(line.ids(R"({"query":[0,0,0,0],"limit":5,"offset":100})").empty());
}

TEST_CASE("payload and vector come along when asked for") {
  Line line;
  const Reply reply = line.query(R"({"query":[5,0,0,0],"limit":1,"with_payload":["name"],"with_vector":true})");
  CHECK(reply.result()["points"][0]["payload"] == json::parse(R"({"name":"5"})"));
  CHECK(reply.result()["points"][0]["vector"] == json::parse("[5,0,0,0]"));
}

TEST_CASE("a query by id leaves the point itself out") {
  Line line;
  CHECK(line.ids(R"({"query":7,"limit":2})") == Ids{6, 8});
  CHECK(line.ids(R"({"query":{"nearest":7},"limit":2,"offset":1})") == Ids{8, 5});
  CHECK(line.refusal(R"({"query":99})", 404) == "Not found: No point with id 99 found");
  CHECK(line.refusal(R"({"query":"no-uuid"})").find("not a valid point ID") != std::string::npos);
}

TEST_CASE("without a query points come by id") {
  Line line;
  CHECK(line.ids(R"({"limit":3,"offset":2})") == Ids{3, 4, 5});
  const Reply reply = line.query(R"({"limit":1,"with_payload":true})");
  CHECK(reply.result()["points"][0]["score"] == 1);
  CHECK(reply.result()["points"][0]["payload"]["name"] == "1");
}

TEST_CASE("the score threshold is strict in the metric's direction") {
  Line line;
  CHECK(line.ids(R"({"query":[5,0,0,0],"score_threshold":1})") == Ids{5});
  CHECK(line.ids(R"({"query":[5,0,0,0],"score_threshold":1.01})") == Ids{5, 4, 6});
  Line dot("Dot");
  CHECK(dot.ids(R"({"query":[1,0,0,0],"score_threshold":18})") == Ids{20, 19});
  CHECK(line.refusal(R"({"score_threshold":1})").find("A query is needed to use the score_threshold") !=
        std::string::npos);
  CHECK(line.refusal(R"({"query":{"sample":"random"},"score_threshold":1})").find("score_threshold") !=
        std::string::npos);
}

TEST_CASE("a shorter vector equal to a width searches at that width") {
  Line line;
  line.put("/collections/c/points", json::parse(R"({"points":[{"id":50,"vector":[5.1,0,100,100]}]})"));
  CHECK(line.ids(R"({"query":[5.1,0],"limit":2})") == Ids{50, 5});
  CHECK(line.ids(R"({"query":[5.1,0,0,0],"limit":2})") == Ids{5, 6});
  CHECK(line.ids(R"({"query":[5.1,0,0,0],"limit":2,"params":{"matryoshka":{"width":2}}})") == Ids{50, 5});
  CHECK(line.refusal(R"({"query":[1,2,3]})") ==
        "Wrong input: Vector dimension error: expected dim: 4, got 3 (a prefix must be one of the widths 2)");
  CHECK(line.refusal(R"({"query":[1,2,3,4,5]})") == "Wrong input: Vector dimension error: expected dim: 4, got 5");
  CHECK(line.refusal(R"({"query":[1,2,3,4],"params":{"matryoshka":{"width":3}}})").starts_with("Wrong input: "));
}

TEST_CASE("explain tells what every stage did") {
  Line line;
  const Reply reply = line.query(R"({"query":[5,0,0,0],"params":{"exact":true,"matryoshka":{"explain":true}}})");
  REQUIRE(reply.status == 200);
  const json stages = reply.result()["explain"];
  REQUIRE(stages.is_array());
  REQUIRE_FALSE(stages.empty());
  for (const json& stage : stages) {
    CHECK(stage["stage"].is_string());
    CHECK(stage["stopped_because"].is_string());
    CHECK(stage["microseconds"].is_number());
    for (const char* name : {"width", "candidates_in", "candidates_out", "distance_evaluations", "coordinates_read"})
      CHECK(stage[name].is_number_unsigned());
  }
}

TEST_CASE("search parameters reach the search") {
  Line line;
  CHECK(line.ids(R"({"query":[5,0,0,0],"limit":1,"params":{"hnsw_ef":64,"exact":false,
    "quantization":{"ignore":true},"indexed_only":false,"matryoshka":null}})") == Ids{5});
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"quantisation":{}}})").find("unknown field `quantisation`") !=
        std::string::npos);
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"quantization":{"rescore":1}}})").find("`rescore`") !=
        std::string::npos);
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"quantization":{"oversampling":0.5}}})", 422)
            .find("oversampling: ") != std::string::npos);
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"acorn":{"max_selectivity":2}}})", 422)
            .find("acorn.max_selectivity: ") != std::string::npos);
  CHECK(line.ids(R"({"query":[5,0,0,0],"limit":1,"params":{"hnsw_ef":64,"indexed_only":true,"acorn":{"enable":true},
    "quantization":{"rescore":false,"oversampling":3}}})") == Ids{5});
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"hnsw_ef":0}})", 422).find("[params.hnsw_ef: ") !=
        std::string::npos);
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"exact":1}})").find("expected true or false for `exact`") !=
        std::string::npos);
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"matryoshka":{"widht":2}}})").find("unknown field `widht`") !=
        std::string::npos);
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"matryoshka":{"target_recall":1.5}}})")
            .find("target recall 1.5") != std::string::npos);
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"matryoshka":{"stages":[{"width":2}]}}})")
            .find("missing field `shortlist`") != std::string::npos);
  // A width that is not one of the collection's: the ladder refuses it.
  CHECK(line.refusal(R"({"query":[5,0,0,0],"params":{"matryoshka":{"stages":[{"width":3,"shortlist":5}]}}})")
            .starts_with("Wrong input: "));
}

TEST_CASE("a limit may be larger than the collection") {
  Line line;
  CHECK(line.ids(R"({"query":[0,0,0,0],"limit":18446744073709551615})").size() == 20);
  CHECK(line.ids(R"({"query":[0,0,0,0],"limit":18446744073709551615,"offset":18446744073709551615})").empty());
  CHECK(line.ids(R"({"query":1,"limit":18446744073709551615,"offset":15})") == Ids{17, 18, 19, 20});
  CHECK(line.ids(R"({"limit":18446744073709551615})").size() == 20);
  CHECK(line.refusal(R"({"query":[0,0,0,0],"limit":0})", 422) ==
        "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]");
}

TEST_CASE("more neighbours than a walk finds are found by comparing with every point") {
  ApiFixture fixture;
  fixture.create(2);
  const int count = static_cast<int>(index::kMaxNeighbours) + 200;
  fixture.fill_line(count, 2);
  const auto ids = [&](const std::string& body) {
    const Reply reply = fixture.call("POST", kQuery, body);
    INFO(reply.raw.body.substr(0, 300));
    REQUIRE(reply.status == 200);
    return ids_of(reply.result()["points"]);
  };
  const std::string all = std::to_string(count);
  const Ids far = ids(R"({"query":[0,0],"limit":5,"offset":)" + std::to_string(count - 3) + "}");
  CHECK(far == Ids{static_cast<std::uint64_t>(count - 2), static_cast<std::uint64_t>(count - 1),
                   static_cast<std::uint64_t>(count)});
  CHECK(ids(R"({"query":[0,0],"limit":)" + all + "}").size() == static_cast<std::size_t>(count));
  CHECK(ids(R"({"query":[3,0],"limit":5000,"score_threshold":1.5})") == Ids{3, 2, 4});
  const Reply batch =
      fixture.call("POST", kQuery + "/batch",
                   R"({"searches":[{"query":[0,0],"limit":)" + all + R"(},{"query":[1,0],"limit":)" + all + "}]}");
  REQUIRE(batch.status == 200);
  CHECK(batch.result()[1]["points"].size() == static_cast<std::size_t>(count));
  const Reply stages = fixture.call("POST", kQuery, R"({"query":[0,0],"limit":5000,
    "params":{"matryoshka":{"stages":[{"width":2,"shortlist":9}]}}})");
  CHECK(stages.status == 400);
}

TEST_CASE("bytes are a vector of all coordinates, of the width that is stated, or of the type that is") {
  Line line;
  line.put("/collections/c/points", json::parse(R"({"points":[{"id":50,"vector":[5.1,0,100,100]}]})"));
  const auto with = [](const std::string& query, const std::string& ladder) {
    return R"({"limit":1,"query":")" + query + R"(","params":{"matryoshka":)" + ladder + "}}";
  };
  const std::string prefix = "MzOjQAAAAAA=";             // 5.1, 0 as float32
  const std::string half = "GkUAAA==";                   // ... as float16
  const std::string whole = "AAAAQAAAAAAAAAAAAAAAAA==";  // 2, 0, 0, 0
  CHECK(line.ids(with(whole, "{}")) == Ids{2});
  CHECK(line.ids(with(prefix, R"({"width":2})")) == Ids{50});
  CHECK(line.ids(with(half, R"({"width":2})")) == Ids{50});
  CHECK(line.ids(with(prefix, R"({"query_type":"float32"})")) == Ids{50});
  CHECK(line.ids(with(half, R"({"query_type":"float16"})")) == Ids{50});
  CHECK(line.ids(with("CQAAAA==", R"({"query_type":"int8"})")) == Ids{9});
  CHECK(line.ids(with("CQA=", R"({"query_type":"uint8"})")) == Ids{9});
  CHECK(line.refusal(with(half, "{}")).find("width") != std::string::npos);
  CHECK(line.refusal(with("CQAAAA==", R"({"query_type":"int4"})")).find("`int4`") != std::string::npos);
  CHECK(line.refusal(R"({"query":[1,0,0,0],"params":{"matryoshka":{"query_type":"int8"}}})").find("is a list") !=
        std::string::npos);
  CHECK(line.refusal(R"({"query":7,"params":{"matryoshka":{"query_type":"int8"}}})").find("`query` is none") !=
        std::string::npos);
  // 8 bytes are two float32 of a prefix, four float16, 64 bits: without a word they are what all coordinates would be.
  CHECK(line.refusal(with("AQAAAA==", R"({"query_type":"binary"})")).find("expected dim: 4, got 32") !=
        std::string::npos);
  const Reply older = line.call("POST", kSearch, R"({"vector":"MzOjQA==","limit":1})");
  CHECK(older.status == 400);
}

TEST_CASE("each query of a batch has its own parameters") {
  ApiFixture fixture;
  fixture.create(8);
  std::uint32_t state = 1;
  const auto next = [&state] { return static_cast<float>((state = state * 1664525 + 1013904223) >> 8) / 16777216.0f; };
  json points = json::array();
  for (int i = 0; i < 5200; ++i) {
    std::vector<float> vector(8);
    for (float& x : vector) x = next();
    points.push_back({{"id", i}, {"vector", vector}});
  }
  REQUIRE(fixture.put("/collections/c/points", {{"points", points}}).status == 200);
  fixture.database->collection("c")->build();
  const std::vector<float> query(8, 0.5f);
  const auto ask = [&](const std::vector<json>& params) {
    json searches = json::array();
    for (const json& each : params) searches.push_back({{"query", query}, {"limit", 5}, {"params", each}});
    return fixture.post(kQuery + "/batch", {{"searches", searches}}).result();
  };
  const auto work = [](const json& answer) { return answer["explain"][0]["distance_evaluations"]; };
  const json narrow = {{"matryoshka", {{"distance_gap", 0.01}, {"explain", true}}}};
  const json wide = {{"matryoshka", {{"distance_gap", 5}, {"explain", true}}}};
  const json together = ask({narrow, wide});
  CHECK(work(together[0]) == work(ask({narrow})[0]));
  CHECK(work(together[1]) == work(ask({wide})[0]));
  CHECK(work(together[0]) != work(together[1]));
  const json codes = {{"hnsw_ef", 100}, {"matryoshka", {{"exact_distances", false}}}}, exact = {{"hnsw_ef", 100}};
  CHECK(ask({codes, exact})[1] == ask({exact})[0]);
}

TEST_CASE("what is not supported yet says so") {
  Line line;
  for (const char* body :
       {R"({"query":[[1,2,3,4]]})", R"({"query":{"indices":[1],"values":[1]}})",
        R"({"query":{"text":"a","model":"b"}})", R"({"query":{"formula":{"sum":[1]}}})",
        R"({"query":{"recommend":{"positive":[{"text":"a","model":"b"}]}}})"})
    CHECK(line.refusal(body).find("is not supported yet") != std::string::npos);
}

TEST_CASE("malformed queries are refused") {
  Line line;
  for (const char* body : {"", "[]", "{", R"({"query":true})", R"({"query":[]})", R"({"query":[1,null,3,4]})",
                           R"({"query":{}})", R"({"query":[1,2,3,4],"limit":-1})", R"({"query":[1,2,3,4],"limit":"3"})",
                           R"({"query":[1,2,3,4],"score_threshold":"x"})", R"({"query":[1,2,3,4],"using":"x"})",
                           R"({"query":[1,2,3,4],"with_vector":["x"]})", R"({"query":[1,2,3,4],"params":[]})"})
    CHECK_FALSE(line.refusal(body).empty());
  CHECK(line.call("POST", "/collections/d/points/query", R"({"query":[1]})").status == 404);
}

TEST_CASE("a batch answers every query in order, together or one by one") {
  Line line;
  const Reply same = line.call("POST", kQuery + "/batch",
                               R"({"searches":[{"query":[3,0,0,0],"limit":1},{"query":[9,0,0,0],"limit":1}]})");
  REQUIRE(same.status == 200);
  CHECK(ids_of(same.result()[0]["points"]) == Ids{3});
  CHECK(ids_of(same.result()[1]["points"]) == Ids{9});
  const Reply mixed = line.call("POST", kQuery + "/batch", R"({"searches":[{"query":[3,0],"limit":2},{"query":9,
    "limit":2},{"query":[1,0,0,0],"limit":1,"params":{"matryoshka":{"explain":true}}},{"limit":1}]})");
  REQUIRE(mixed.status == 200);
  CHECK(ids_of(mixed.result()[0]["points"]) == Ids{3, 2});
  CHECK(ids_of(mixed.result()[1]["points"]) == Ids{8, 10});
  CHECK(mixed.result()[2].contains("explain"));
  CHECK(ids_of(mixed.result()[3]["points"]) == Ids{1});
  CHECK(line.call("POST", kQuery + "/batch", R"({"searches":[]})").result() == json::array());
}

TEST_CASE("a batch with one bad query is refused as a whole") {
  Line line;
  CHECK(line.call("POST", kQuery + "/batch", R"({"searches":[{"query":[3,0,0,0]},{"query":[1,2,3]}]})").status == 400);
  CHECK(line.call("POST", kQuery + "/batch", "{}").status == 400);
  ApiFixture limited({.searches = 1});
  limited.create(2);
  const Reply reply = limited.call("POST", kQuery + "/batch", R"({"searches":[{},{}]})");
  CHECK(reply.error() == "Wrong input: 2 searches in one batch, at most 1 are allowed");
}

TEST_CASE("the older search form answers bare lists") {
  Line line;
  const Reply reply = line.call("POST", kSearch, R"({"vector":[4,0,0,0],"limit":2,"offset":1,"with_payload":true})");
  REQUIRE(reply.status == 200);
  CHECK(ids_of(reply.result()) == Ids{3, 5});
  CHECK(reply.result()[0]["payload"]["name"] == "3");
  const Reply batch = line.call("POST", kSearch + "/batch", R"({"searches":[{"vector":[4,0,0,0],"limit":1}]})");
  CHECK(ids_of(batch.result()[0]) == Ids{4});
  CHECK(line.call("POST", kSearch, R"({"vector":[4,0,0,0]})").error() ==
        "Format error in JSON body: missing field `limit`");
  CHECK(line.call("POST", kSearch, R"({"vector":4,"limit":1})").status == 400);
  CHECK(ids_of(line.call("POST", kSearch, R"({"vector":[4,0,0,0],"top":2})").result()) == Ids{4, 3});
  CHECK(ids_of(line.call("POST", "/collections/c/points/recommend", R"({"positive":[4],"top":1})").result()) == Ids{3});
  CHECK(line.call("POST", kSearch, R"({"vector":[4,0,0,0],"top":2,"limit":3})").status == 400);
}

TEST_CASE("scores follow the dialect: similarity for Cosine and Dot, distance for Euclid") {
  const auto best = [](const std::string& distance, const std::string& query) {
    Line line(distance);
    return line.query(R"({"limit":1,"query":)" + query + "}").result()["points"][0]["score"].get<float>();
  };
  CHECK(best("Dot", "[2,0,0,0]") == Approx(40));
  CHECK(best("Cosine", "[1,1,0,0]") == Approx(0.70710678).margin(1e-5));
  CHECK(best("Euclid", "[1,3,0,0]") == Approx(3));
}

TEST_CASE("a collection keeps its points, name and description over a restart") {
  tests::TemporaryDirectory directory;
  const auto describe = [](Api& api) {
    return json::parse(api.handle({"GET", "/collections/c", "", {}}).body).at("result");
  };
  json before;
  {
    const auto database = open_database(directory.path());
    Api api(*database, {});
    api.handle({"PUT", "/collections/c", R"({"vectors":{"text":{"size":2,"distance":"Dot"}},"metadata":{"a":1}})", {}});
    api.handle({"PUT", "/collections/c/points", R"({"points":[{"id":1,"vector":{"text":[1,2]}}]})", {}});
    before = describe(api);
    CHECK(before["points_count"] == 1);
  }
  const auto database = open_database(directory.path());
  Api api(*database, {});
  CHECK(describe(api) == before);
  const Response found = api.handle(
      {"POST", "/collections/c/points/query", R"({"query":[1,1],"using":"text","with_vector":true})", {}});
  CHECK(json::parse(found.body)["result"]["points"][0]["vector"] == json::parse(R"({"text":[1,2]})"));
}

}  // namespace nestor::server::testing
