// Nestor inside a program: create a collection, write, build its graph, search, predict a token.
#include <cstdio>
#include <random>
#include <vector>

#include "index/knn_lm.h"
#include "storage/database.h"
using namespace nestor::index;

int main(int argc, char** argv) try {
  const auto database = nestor::storage::Database::open(argc > 1 ? argv[1] : "example-data");
  database->delete_collection("words");
  CollectionOptions options{.dim = 64, .metric = Metric::l2, .widths = {16, 32, 64}, .exact_below = 1000};
  const auto words = database->create_collection("words", options);

  std::mt19937 random(42);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> keys(5000, std::vector<float>(options.dim));
  std::vector<Point> points;
  for (std::uint32_t row = 0; row < keys.size(); ++row) {
    for (std::uint32_t i = 0; i < options.dim; ++i) keys[row][i] = normal(random) / static_cast<float>(1 + i);
    points.push_back({PointId::number(row), keys[row], R"({"from": "example"})", row % 10});
  }
  words->upsert(points);  // durable and searchable from here on
  words->build();         // the graph; Database also does this in the background

  const SearchOptions nearest{.k = 3, .explain = true};
  const QueryResult result = words->search(keys[7], nearest);
  for (const Hit& hit : result.hits) std::printf("point %s  distance %.4f\n", to_string(hit.id).c_str(), hit.score);
  for (const StageReport& stage : result.stages)
    std::printf("%s at width %u read %lu coordinates\n", stage.name.c_str(), stage.width, stage.coordinates_read);

  const LookupOptions next_token{.search = {.k = 64}, .temperature = 0.1, .top = 3};
  const std::vector<LookupResult> predicted = lookup(*words, keys[7], 1, next_token);
  for (const TokenProbability& token : predicted[0].tokens)
    std::printf("token %u  probability %.3f\n", token.token, token.probability);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
