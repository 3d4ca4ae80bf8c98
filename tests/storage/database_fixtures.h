#pragma once
// What the tests of Database share: small collections, points that follow from a seed, and a log to read.

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "storage/database.h"
#include "tests/storage/expect_error.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/random_vectors.h"

namespace nestor::tests {

using namespace nestor::index;
using namespace nestor::storage;

inline constexpr std::uint32_t kDim = 32;

inline CollectionOptions options_of(Metric metric = Metric::l2) {
  CollectionOptions options;
  options.dim = kDim;
  options.widths = {8, 16, 32};
  options.graphs = {16};
  options.metric = metric;
  options.exact_below = 200;
  return options;
}

inline DatabaseOptions quiet() {
  DatabaseOptions options;
  options.background_builds = false;
  return options;
}

// Log lines of a database, safe to read while its threads write.
class LogLines {
 public:
  DatabaseOptions options(bool background_builds = false) {
    DatabaseOptions options;
    options.background_builds = background_builds;
    options.log = [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
      added_.notify_all();
    };
    return options;
  }
  bool say(const std::string& part) const {
    const std::lock_guard lock(mutex_);
    return any_says(part);
  }
  // Returns when a line says so; the time limit of the whole test is the only other end.
  void wait_for(const std::string& part) const {
    std::unique_lock lock(mutex_);
    added_.wait(lock, [&] { return any_says(part); });
  }

 private:
  bool any_says(const std::string& part) const {
    return std::any_of(lines_.begin(), lines_.end(), [&](const std::string& line) { return mentions(line, part); });
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable added_;
  std::vector<std::string> lines_;
};

// `count` points with ids first_id.., vectors of the stream, some with payload and value.
struct Points {
  std::vector<float> vectors;
  std::vector<Point> points;

  Points(std::uint64_t first_id, std::size_t count, std::uint64_t stream)
      : vectors(nested_vectors(count, kDim, stream)) {
    for (std::size_t i = 0; i < count; ++i)
      points.push_back({PointId::number(first_id + i), vector(i), "{\"row\":true}", static_cast<std::uint32_t>(i)});
  }
  std::span<const float> vector(std::size_t i) const { return std::span(vectors).subspan(i * kDim, kDim); }
};

// Every tenth point is its own nearest neighbour by exact search, and nearly always by the default search.
inline void check_finds(const Collection& collection, const Points& points) {
  std::size_t asked = 0, found = 0;
  for (std::size_t i = 0; i < points.points.size(); i += 10) {
    SearchOptions search;
    search.k = 1;
    ++asked;
    found += collection.search(points.vector(i), search).hits.at(0).id == points.points[i].id;
    search.exact = true;
    CHECK(collection.search(points.vector(i), search).hits.at(0).id == points.points[i].id);
  }
  CHECK(found * 10 >= asked * 9);
}

// One thread and a fixed seed: what the default search finds does not change from run to run.
inline BuildOptions deterministic() {
  BuildOptions options;
  options.deterministic = true;
  return options;
}
inline BuildReport build(Collection& collection) { return collection.build(deterministic()); }

inline std::filesystem::path only_generation(const std::filesystem::path& database, const std::string& collection) {
  for (const auto& entry : std::filesystem::directory_iterator(database / "collections" / collection / "generations"))
    if (entry.path().extension() == ".nestor") return entry.path();
  return {};
}

inline std::filesystem::path rocks_of(const std::filesystem::path& database, const std::string& collection) {
  for (const auto& entry : std::filesystem::directory_iterator(database / "collections" / collection))
    if (entry.path().filename().string().starts_with("rocks-")) return entry.path();
  return {};
}

}  // namespace nestor::tests
