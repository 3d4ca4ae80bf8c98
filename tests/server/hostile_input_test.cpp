#include <random>

#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

struct Sample {
  std::string method, target, body;
};

const std::vector<Sample> kSamples = {
    {"PUT", "/collections/d", R"({"vectors":{"size":4,"distance":"Dot","matryoshka":{"widths":[2,4]}},
      "hnsw_config":{"m":8}})"},
    {"PUT", "/collections/c/points", R"({"points":[{"id":1,"vector":[1,2,3,4],"payload":{"token":1}}]})"},
    {"PUT", "/collections/c/points", R"({"batch":{"ids":[1,2],"vectors":[[1,2,3,4],[5,6,7,8]],"payloads":[{},null]}})"},
    {"POST", "/collections/c/points", R"({"ids":[1,"550e8400-e29b-41d4-a716-446655440000"],"with_payload":["a"]})"},
    {"POST", "/collections/c/points/delete", R"({"points":[1,2,3]})"},
    {"POST", "/collections/c/points/count", R"({"exact":true})"},
    {"POST", "/collections/c/points/scroll", R"({"limit":3,"offset":1,"with_vector":true})"},
    {"POST", "/collections/c/points/query", R"({"query":[1,2,3,4],"limit":3,"params":{"hnsw_ef":9,"matryoshka":
      {"width":2,"stages":[{"width":4,"shortlist":9}],"explain":true}},"score_threshold":1e2,"with_payload":true})"},
    {"POST", "/collections/c/points/query/batch", R"({"searches":[{"query":{"nearest":1}},{"query":[1,2]},{}]})"},
    {"POST", "/collections/c/points/search", R"({"vector":[1,2,3,4],"limit":3,"offset":1})"},
    {"POST", "/collections/c/knnlm/lookup", R"({"queries":[[1,2,3,4]],"k":3,"temperature":0.5,"top":2})"},
    {"GET", "/collections/c/points/1?consistency=all", ""},
    {"GET", "/collections/c/exists", ""},
};

std::string damage(std::string text, std::mt19937& random) {
  const std::string alphabet = "{}[]\",:0123456789.eE+-\\/ utfn%?&=\x01\xff";
  for (unsigned edits = 1 + random() % 4; edits > 0 && !text.empty(); --edits) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0: text[at] = alphabet[random() % alphabet.size()]; break;
      case 1: text.insert(at, 1, alphabet[random() % alphabet.size()]); break;
      case 2: text.erase(at, 1 + random() % 8); break;
      default: text.insert(at, text.substr(random() % text.size(), random() % 12));
    }
  }
  return text;
}

}  // namespace

TEST_CASE("no damaged request brings the server to more than a clear refusal") {
  const auto seed = GENERATE(1u, 2u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  ApiFixture fixture({.points = 100, .searches = 10});
  fixture.create(4, "Euclid", {{"matryoshka", {{"widths", {2, 4}}}}});
  fixture.fill_line(20, 4);
  for (int round = 0; round < 1500; ++round) {
    const Sample& sample = kSamples[random() % kSamples.size()];
    const std::string body = random() % 4 ? damage(sample.body, random) : sample.body;
    std::string target = random() % 4 ? sample.target : damage(sample.target, random);
    // Creating and deleting collections is disk work; the parsing before it is what is tried here.
    if (sample.target == "/collections/d") target = "/collections/c";
    const Reply reply = fixture.call(sample.method, target, body);
    CAPTURE(target, body, reply.raw.body);
    REQUIRE((reply.status == 200 || (reply.status >= 400 && reply.status < 500)));
    REQUIRE_FALSE(reply.body.is_discarded());
    if (reply.status != 200) REQUIRE_FALSE(reply.error().empty());
  }
}

}  // namespace nestor::server::testing
