// A program with the libraries that Nestor uses inside, in its own right: their functions must meet none of ours.
#include <hnswlib/hnswlib.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "storage/database.h"

int main(int, char** arguments) {
  hnswlib::L2Space space(2);
  hnswlib::HierarchicalNSW<float> graph(&space, 4);
  const std::vector<float> row{3, 4};
  graph.addPoint(row.data(), 7);
  const auto nearest = graph.searchKnn(row.data(), 1);

  std::filesystem::remove_all(arguments[1]);
  const auto database = nestor::storage::Database::open(arguments[1], {.background_builds = false});
  nestor::index::CollectionOptions options;
  options.dim = 2;
  options.metric = nestor::index::Metric::l2;
  const auto collection = database->create_collection("c", options);
  nestor::index::Point point;
  point.id = nestor::index::PointId::number(7);
  point.vector = row;
  collection->upsert({&point, 1});
  const auto found = collection->search(row, {});
  std::printf("hnswlib %zu, Nestor %zu\n", nearest.size(), found.hits.size());
  return nearest.size() == 1 && found.hits.size() == 1 ? 0 : 1;
}
