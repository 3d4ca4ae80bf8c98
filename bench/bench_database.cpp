#include "bench/bench_database.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace nestor::bench {
namespace {

constexpr std::size_t kWriteAtOnce = 2000;

index::CollectionOptions collection_options(const DataSetFiles& files, index::Rotation rotation, const Matrix& keys) {
  index::CollectionOptions options;
  options.dim = keys.dim;
  options.metric = files.metric;
  options.scalar_type = keys.exact_in_float16 ? index::ScalarType::float16 : index::ScalarType::float32;
  options.widths = files.widths;
  options.graphs = files.graphs;
  options.rotation = rotation;
  return options.validated();
}

void write_rows(index::Collection& collection, const Matrix& keys, const std::vector<std::int64_t>& values) {
  std::vector<index::Point> points;
  for (std::size_t first = 0; first < keys.rows; first += kWriteAtOnce) {
    points.clear();
    for (std::size_t i = first; i < std::min(first + kWriteAtOnce, keys.rows); ++i) {
      index::Point point{.id = index::PointId::number(i), .vector = keys.row(i), .payload = {}, .value = {}};
      if (!values.empty()) point.value = static_cast<std::uint32_t>(values[i]);
      points.push_back(point);
    }
    collection.upsert(points);
  }
}

void build(index::Collection& collection, unsigned threads) {
  index::BuildOptions options;
  options.threads = threads;
  std::string phase;
  options.progress = [&](const index::BuildProgress& progress) {
    if (progress.phase == phase) return;
    phase = progress.phase;
    std::fprintf(stderr, "  %s\n", phase.c_str());
  };
  const index::BuildReport report = collection.build(options);
  std::fprintf(stderr, "  built in %.0f s, %.0f MB\n", report.seconds,
               static_cast<double>(report.generation_bytes) / 1e6);
}

}  // namespace

BenchDatabase::BenchDatabase(const Arguments& arguments)
    : keep_(arguments.data.has_value()), threads_(arguments.threads) {
  directory_ =
      keep_ ? *arguments.data : std::filesystem::temp_directory_path() / ("nestor-bench-" + std::to_string(::getpid()));
  storage::DatabaseOptions options;
  options.background_builds = false;  // nothing may run beside a measurement
  options.build_threads = arguments.threads;
  options.log = [](const std::string& line) { std::fprintf(stderr, "  %s\n", line.c_str()); };
  database_ = storage::Database::open(directory_, options);
}

BenchDatabase::~BenchDatabase() {
  database_.reset();
  std::error_code ignored;
  if (!keep_) std::filesystem::remove_all(directory_, ignored);
}

std::shared_ptr<index::Collection> BenchDatabase::collection(const DataSetFiles& files, index::Rotation rotation,
                                                             const Matrix& keys) {
  const std::string name = files.name + "-" + std::string(index::to_string(rotation));
  const index::CollectionOptions wanted = collection_options(files, rotation, keys);
  if (database_->contains(name)) {
    auto kept = database_->collection(name);
    if (kept->options() == wanted && kept->count() == keys.rows) {
      if (kept->info().indexed_points < keys.rows) build(*kept, threads_);
      return kept;
    }
    kept.reset();
    database_->delete_collection(name);
  }
  std::fprintf(stderr, "%s: writing %zu rows of %u\n", name.c_str(), keys.rows, keys.dim);
  auto collection = database_->create_collection(name, wanted);
  write_rows(*collection, keys, files.values.empty() ? std::vector<std::int64_t>{} : load_integers(files.values));
  build(*collection, threads_);
  return collection;
}

}  // namespace nestor::bench
