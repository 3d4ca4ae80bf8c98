#include "bench/scan/planner_rounds.h"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <random>
#include <set>
#include <string>

#include "bench/ann/machine.h"
#include "bench/scan/built_rows.h"
#include "bench/scan/thread_seconds.h"
#include "bench/table.h"

namespace nestor::bench::scan {
namespace {

constexpr std::size_t kWriteAtOnce = 5000;

std::unique_ptr<index::Collection> build_collection(const ann::ComparisonData& data, unsigned threads) {
  auto collection = std::make_unique<index::Collection>("planner", options_for(data, true),
                                                        std::make_shared<tests::MemoryRecordStore>(),
                                                        std::make_shared<tests::MemoryGenerationStore>());
  std::vector<index::Point> points;
  for (std::size_t r = 0; r < data.rows; ++r) {
    points.push_back({index::PointId::number(r), {data.base.data() + r * data.dim, data.dim}, {}, {}});
    if (points.size() < kWriteAtOnce && r + 1 < data.rows) continue;
    collection->upsert(points);
    points.clear();
  }
  collection->build({.threads = threads, .deterministic = false, .progress = {}});
  return collection;
}

std::set<std::uint64_t> ids_of(const index::QueryResult& result) {
  std::set<std::uint64_t> ids;
  for (const auto& hit : result.hits) ids.insert(hit.id.low);
  return ids;
}

double recall(const std::vector<index::QueryResult>& got, const std::vector<index::QueryResult>& truth) {
  double sum = 0;
  for (std::size_t q = 0; q < got.size(); ++q) {
    const auto wanted = ids_of(truth[q]);
    std::size_t found = 0;
    for (const std::uint64_t id : ids_of(got[q])) found += wanted.count(id);
    sum += wanted.empty() ? 1 : static_cast<double>(found) / static_cast<double>(wanted.size());
  }
  return sum / static_cast<double>(got.size());
}

std::string ways_taken(const std::vector<index::QueryResult>& results) {
  std::set<std::string> ways;
  for (const auto& result : results) {
    std::string way;
    for (const auto& stage : result.stages)
      if (stage.name == "walk" || stage.name == "scan") way += (way.empty() ? "" : ", then ") + stage.name;
    ways.insert(way);
  }
  std::string text;
  for (const auto& way : ways) text += (text.empty() ? "" : " or ") + way;
  return text;
}

class Measurement {
 public:
  Measurement(const ann::ComparisonData& data, const index::Collection& collection, std::size_t rounds)
      : data_(data), collection_(collection), rounds_(rounds) {}

  // Median over the rounds of the CPU time a query takes in batches of `batch`.
  double seconds(const index::SearchOptions& search, std::size_t count, std::size_t batch,
                 std::vector<index::QueryResult>& results) const {
    std::vector<double> times;
    for (std::size_t round = 0; round <= rounds_; ++round) {
      results.clear();
      const double start = thread_seconds();
      for (std::size_t first = 0; first < count; first += batch) {
        const std::size_t n = std::min(batch, count - first);
        auto found = collection_.search_batch({data_.queries.data() + first * data_.dim, n * data_.dim}, n, search, 1);
        std::move(found.begin(), found.end(), std::back_inserter(results));
      }
      if (round > 0) times.push_back((thread_seconds() - start) / static_cast<double>(count));
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
  }

 private:
  const ann::ComparisonData& data_;
  const index::Collection& collection_;
  std::size_t rounds_;
};

void forced_filters(const ann::ComparisonData& data, const index::Collection& collection, const PlannerRounds& rounds,
                    Table& table) {
  const Measurement measure(data, collection, rounds.rounds);
  const std::size_t count = std::min<std::size_t>(64, data.tune + data.test);
  for (const double share : rounds.shares) {
    std::mt19937_64 random(11);
    std::vector<std::uint64_t> allowed(data.rows / 64 + 1, 0);
    for (std::size_t r = 0; r < data.rows; ++r)
      if (static_cast<double>(random() >> 11) * 0x1p-53 < share) allowed[r / 64] |= std::uint64_t{1} << (r % 64);
    for (const std::uint32_t k : rounds.neighbours)
      for (const std::size_t batch : rounds.batches) {
        index::SearchOptions search;
        search.k = k;
        search.explain = true;
        if (share < 1) search.allowed_slots = allowed;
        index::SearchOptions exact = search, walk = search;
        exact.exact = true;
        const double explore = 1.5 * std::max(k + 15, k + k / 4) / share;
        if (share < 1 || k > 200)
          walk.candidates_to_explore = static_cast<std::uint32_t>(std::min(explore, 65536.0));
        else
          walk.distance_gap = 0.2f;
        std::vector<index::QueryResult> truth, walked, planned;
        const double scan_time = measure.seconds(exact, count, batch, truth);
        const double walk_time = measure.seconds(walk, std::min<std::size_t>(count, 16), batch, walked);
        const double plan_time = measure.seconds(search, count, batch, planned);
        table.add({fixed(share, 3), std::to_string(k), std::to_string(batch), grouped(walk_time * 1e6),
                   fixed(recall(walked, truth), 4), grouped(scan_time * 1e6), grouped(plan_time * 1e6),
                   fixed(recall(planned, truth), 4), ways_taken(planned),
                   fixed(plan_time / std::min(walk_time, scan_time), 2)});
      }
  }
}

// Rows no nearer than a share of all rows are: what a walk meets first is never allowed.
void far_filters(const ann::ComparisonData& data, const index::Collection& collection, std::ostream& out) {
  Table table({"nearest share refused", "k", "recall", "ways"});
  for (const double refused : {0.001, 0.01, 0.1, 0.5})
    for (const std::uint32_t k : {10u, 100u}) {
      std::vector<index::QueryResult> got, truth;
      for (std::size_t q = 0; q < std::min<std::size_t>(20, data.tune + data.test); ++q) {
        const float* query = data.queries.data() + q * data.dim;
        std::vector<std::pair<float, std::size_t>> order(data.rows);
        for (std::size_t r = 0; r < data.rows; ++r) {
          float sum = 0;
          for (std::size_t j = 0; j < data.dim; ++j) {
            const float d = query[j] - data.base[r * data.dim + j];
            sum += d * d;
          }
          order[r] = {sum, r};
        }
        const auto cut = static_cast<std::ptrdiff_t>(refused * static_cast<double>(data.rows));
        std::nth_element(order.begin(), order.begin() + cut, order.end());
        std::vector<std::uint64_t> allowed(data.rows / 64 + 1, 0);
        for (auto it = order.begin() + cut; it != order.end(); ++it)
          allowed[it->second / 64] |= std::uint64_t{1} << (it->second % 64);
        index::SearchOptions search;
        search.k = k;
        search.allowed_slots = allowed;
        search.explain = true;
        got.push_back(collection.search({query, data.dim}, search));
        search.exact = true;
        truth.push_back(collection.search({query, data.dim}, search));
      }
      table.add({fixed(refused, 3), std::to_string(k), fixed(recall(got, truth), 4), ways_taken(got)});
    }
  table.print(out);
}

}  // namespace

void measure_planner(const ann::ComparisonData& data, const PlannerRounds& rounds, std::ostream& out) {
  const auto collection = build_collection(data, rounds.threads);
  const ann::PinnedThread pinned(rounds.pin);
  Table table({"allowed", "k", "batch", "walk us", "recall", "scan us", "planned us", "recall", "way", "x best"});
  forced_filters(data, *collection, rounds, table);
  table.print(out);
  out << '\n';
  far_filters(data, *collection, out);
}

}  // namespace nestor::bench::scan
