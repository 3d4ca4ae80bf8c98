#include "bench/kinds/kind_run.h"

#include <algorithm>
#include <chrono>

#include "storage/database.h"
#include "tests/support/temporary_directory.h"

namespace nestor::bench::kinds {
namespace {

constexpr std::size_t kWriteAtOnce = 2000;

index::CollectionOptions options_for(const LoadedSet& set, const RunRequest& request) {
  index::CollectionOptions options;
  options.dim = set.dim;
  options.metric = request.metric;
  options.rotation = request.rotation;
  // Unit vectors of float16 values are none themselves.
  const bool float16 = set.exact_in_float16 && request.metric != index::Metric::cosine;
  options.scalar_type = float16 ? index::ScalarType::float16 : index::ScalarType::float32;
  if (request.exact_below != 0) options.exact_below = request.exact_below;
  return options;
}

void write_rows(index::Collection& collection, const LoadedSet& set) {
  std::vector<index::Point> points;
  for (std::size_t first = 0; first < set.rows; first += kWriteAtOnce) {
    points.clear();
    for (std::size_t i = first; i < std::min(first + kWriteAtOnce, set.rows); ++i)
      points.push_back({.id = index::PointId::number(i), .vector = set.row(i), .payload = {}, .value = {}});
    collection.upsert(points);
  }
}

// All queries twice: once for what is found, once for the time.
WayFigures measure(const index::Collection& collection, const LoadedSet& set, const tests::ExactAnswers& truth,
                   index::SearchOptions search, std::size_t k) {
  search.k = static_cast<std::uint32_t>(std::min(k, truth.depth()));
  WayFigures figures;
  std::vector<std::uint64_t> ids;
  for (std::size_t q = 0; q < set.queries; ++q) {
    const index::QueryResult result = collection.search(set.query(q), search);
    ids.clear();
    for (const index::Hit& hit : result.hits) ids.push_back(hit.id.low);
    figures.recall += truth.recall(q, search.k, ids);
    figures.scanned += *result.exit_stage == '\0';
  }
  std::vector<double> times;
  for (std::size_t q = 0; q < set.queries; ++q) {
    const auto start = std::chrono::steady_clock::now();
    collection.search(set.query(q), search);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  figures.microseconds = times[times.size() / 2];
  figures.recall /= static_cast<double>(set.queries);
  figures.scanned /= static_cast<double>(set.queries);
  return figures;
}

}  // namespace

KindFigures run_kind(const LoadedSet& set, const tests::ExactAnswers& truth, const RunRequest& request) {
  const tests::TemporaryDirectory directory;
  storage::DatabaseOptions options;
  options.background_builds = false;  // nothing may run beside a measurement
  options.build_threads = request.threads;
  const auto database = storage::Database::open(directory.path(), options);
  const auto collection = database->create_collection("rows", options_for(set, request));
  write_rows(*collection, set);
  index::BuildOptions build;
  build.threads = request.threads;
  build.wanted_recall = request.wanted_recall;
  KindFigures figures;
  figures.build = collection->build(build);
  figures.memory = collection->info().memory;

  std::vector<std::pair<std::string, index::SearchOptions>> ways(1);
  ways[0].first = "default";
  for (const std::uint32_t explored : request.walks) {
    ways.emplace_back("ef " + std::to_string(explored), index::SearchOptions{});
    ways.back().second.candidates_to_explore = explored;
  }
  for (const auto& [name, search] : ways)
    figures.ways.push_back(
        {name, measure(*collection, set, truth, search, 10), measure(*collection, set, truth, search, 100)});
  return figures;
}

}  // namespace nestor::bench::kinds
