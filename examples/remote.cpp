// The same as embedded.cpp, against a server: only the line that opens differs.
#include <cstdio>
#include <random>
#include <vector>

#include "client/cpp/remote_database.h"
using namespace nestor::index;

int main(int argc, char** argv) try {
  const auto database = nestor::client::RemoteDatabase::open({.url = argc > 1 ? argv[1] : "http://127.0.0.1:6333"});
  database->delete_collection("words");
  CollectionOptions options{.dim = 64, .metric = Metric::l2, .widths = {16, 32, 64}};
  const auto words = database->create_collection("words", options);

  std::mt19937 random(42);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> keys(500, std::vector<float>(options.dim));
  std::vector<Point> points;
  for (std::uint32_t row = 0; row < keys.size(); ++row) {
    for (std::uint32_t i = 0; i < options.dim; ++i) keys[row][i] = normal(random) / static_cast<float>(1 + i);
    points.push_back({PointId::number(row), keys[row], R"({"from": "example"})", row % 10});
  }
  words->upsert(points);

  for (const Hit& hit : words->search(keys[7], {.k = 3}).hits)
    std::printf("point %s  distance %.4f\n", to_string(hit.id).c_str(), hit.score);
  const LookupOptions next_token{.search = {.k = 64}, .temperature = 0.1, .top = 3};
  for (const TokenProbability& token : lookup(*words, keys[7], 1, next_token)[0].tokens)
    std::printf("token %u  probability %.3f\n", token.token, token.probability);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
