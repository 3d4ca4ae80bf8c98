#include "bench/measurement.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace nestor::bench {
namespace {

constexpr std::size_t kBatch = 200;  // queries of the untimed pass held at once

double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = double{a[i]} - double{b[i]};
    sum += difference * difference;
  }
  return sum;
}

double microseconds_of_one(const Workload& workload, std::size_t query, const index::SearchOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const index::QueryResult result = workload.collection.search(workload.queries.row(query), options);
  const auto stop = std::chrono::steady_clock::now();
  return result.hits.empty() ? 0 : std::chrono::duration<double, std::micro>(stop - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Multiply-adds that no stage reports: a rotated collection turns the query as far as codes or ranking need it, and
// every scanned row when a prefix ranks (a batch shares the rows' part; one query alone pays for all of it).
double rotation_work(const Workload& workload, const index::SearchOptions& options) {
  const index::CollectionOptions& collection = workload.collection.options();
  if (collection.rotation == index::Rotation::none) return 0;
  const std::uint32_t ranked = options.width.value_or(collection.dim);
  const std::uint32_t prefix = ranked < collection.dim ? ranked : 0;
  double coordinates = std::max(collection.graphs.back(), prefix);
  if (options.exact) coordinates += static_cast<double>(workload.keys.rows) * prefix;
  return coordinates * collection.dim;
}

void add_work(const index::QueryResult& result, Measurement& sums) {
  for (const index::StageReport& stage : result.stages) {
    sums.evaluations += static_cast<double>(stage.distance_evaluations);
    sums.coordinates += static_cast<double>(stage.coordinates_read);
    if (stage.name == "walk") sums.walk_evaluations += static_cast<double>(stage.distance_evaluations);
  }
}

}  // namespace

double recall_of(const Workload& workload, std::size_t query, const std::vector<index::Hit>& hits, std::uint32_t k) {
  const auto ids = workload.truth.ids_of(query).first(k);
  const double limit = workload.truth.distance_of(query, k - 1) * (1 + 1e-6);
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(hits.size(), k); ++i) {
    const auto row = static_cast<std::int64_t>(hits[i].id.low);
    const bool counts = std::find(ids.begin(), ids.end(), row) != ids.end() ||
                        squared_distance(workload.queries.row(query), workload.keys.row(hits[i].id.low)) <= limit;
    found += counts ? 1 : 0;
  }
  return static_cast<double>(found) / k;
}

Measurement measure(const Workload& workload, const Policy& policy, std::uint32_t k) {
  const Matrix& queries = workload.queries;
  index::SearchOptions options = policy.options;
  options.k = k;
  options.explain = true;
  Measurement result;
  for (std::size_t first = 0; first < queries.rows; first += kBatch) {
    const std::size_t size = std::min(kBatch, queries.rows - first);
    const std::span<const float> batch(queries.values.data() + first * queries.dim, size * queries.dim);
    const auto answers = workload.collection.search_batch(batch, size, options, workload.threads);
    for (std::size_t i = 0; i < size; ++i) {
      result.recall += recall_of(workload, first + i, answers[i].hits, k);
      add_work(answers[i], result);
    }
  }
  const auto count = static_cast<double>(queries.rows);
  result.recall /= count;
  result.evaluations /= count;
  result.walk_evaluations /= count;
  result.coordinates = result.coordinates / count + rotation_work(workload, options);

  options.explain = false;
  const std::size_t timed = workload.timed_queries == 0 ? queries.rows : std::min(workload.timed_queries, queries.rows);
  std::vector<double> times(timed);
  for (int pass = 0; pass < 2; ++pass)  // the first pass warms caches and scratch memory
    for (std::size_t i = 0; i < timed; ++i) times[i] = microseconds_of_one(workload, i, options);
  result.microseconds = median(std::move(times));
  return result;
}

std::optional<double> walk_evaluations_at(const std::vector<Measurement>& sweep, double recall) {
  const auto misses = [](double r) { return std::log(std::max(1 - r, 1e-6)); };
  for (std::size_t i = 0; i < sweep.size(); ++i) {
    if (sweep[i].recall < recall) continue;
    if (i == 0) return sweep[0].walk_evaluations;  // its smallest pool is more than enough
    const double low = misses(sweep[i - 1].recall), high = misses(sweep[i].recall);
    const double share = low == high ? 1 : (misses(recall) - low) / (high - low);
    return sweep[i - 1].walk_evaluations + share * (sweep[i].walk_evaluations - sweep[i - 1].walk_evaluations);
  }
  return std::nullopt;
}

}  // namespace nestor::bench
