#include "bench/ann/rounds.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <random>

#include "bench/ann/machine.h"
#include "bench/table.h"

namespace nestor::bench::ann {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

class Runner {
 public:
  Runner(const std::vector<Contestant>& contestants, const RoundPlan& plan) : contestants_(contestants), plan_(plan) {}

  Series prepare(const Entry& entry) {
    Series series;
    series.entry = entry;
    const Contestant& contestant = select(series);
    series.setting = contestant.engine->settings(plan_.k).at(entry.setting);
    series.queries = affordable(contestant);
    answer(contestant, series);
    if (plan_.count_work)
      series.work = contestant.engine->count_work(first(queries(contestant), series.queries), plan_.k);
    return series;
  }

  void time_one_by_one(Series& series) {
    const Contestant& contestant = select(series);
    const PinnedThread pinned(plan_.pin);
    warm_up(contestant);
    Engine& engine = *contestant.engine;
    const Rows all = queries(contestant);
    ids_.resize(plan_.k);
    moments_.resize(series.queries + 1);
    moments_[0] = Clock::now();
    for (std::size_t i = 0; i < series.queries; ++i) {
      engine.search(all.row(i), plan_.k, ids_.data());
      moments_[i + 1] = Clock::now();
    }
    const double total = seconds_between(moments_.front(), moments_.back());
    series.query_seconds.resize(series.queries, std::numeric_limits<float>::infinity());
    for (std::size_t i = 0; i < series.queries; ++i)
      series.query_seconds[i] =
          std::min(series.query_seconds[i], static_cast<float>(seconds_between(moments_[i], moments_[i + 1])));
    series.seconds.push_back(total);
  }

  void time_batch(Series& series, unsigned threads, std::vector<double>& out) {
    const Contestant& contestant = select(series);
    warm_up(contestant);
    ids_.resize(series.queries * plan_.k);
    const auto start = Clock::now();
    contestant.engine->search_batch(first(queries(contestant), series.queries), plan_.k, threads, ids_.data());
    out.push_back(seconds_between(start, Clock::now()));
  }

 private:
  static Rows first(const Rows& rows, std::size_t count) { return {rows.values, count, rows.dim}; }

  Rows queries(const Contestant& contestant) const {
    return plan_.part == Part::tune ? contestant.data->tune_queries() : contestant.data->test_queries();
  }

  const Contestant& select(const Series& series) const {
    const Contestant& contestant = contestants_[series.entry.contestant];
    contestant.engine->use(series.entry.setting);
    return contestant;
  }

  void warm_up(const Contestant& contestant) {
    const Rows tune = contestant.data->tune_queries();
    std::vector<std::int64_t> ids(plan_.k);
    // Each engine's caches as they are in steady use, whoever searched before; no longer than a tenth of a pass.
    const auto start = Clock::now();
    for (std::size_t i = 0; i < std::min(plan_.warm_up, tune.count); ++i) {
      contestant.engine->search(tune.row(i), plan_.k, ids.data());
      if (seconds_between(start, Clock::now()) > plan_.slice_seconds / 10) break;
    }
  }

  std::size_t affordable(const Contestant& contestant) {
    const Rows all = queries(contestant);
    const std::size_t sample = std::min<std::size_t>(10, all.count);
    std::vector<std::int64_t> ids(plan_.k);
    const auto start = Clock::now();
    for (std::size_t i = 0; i < sample; ++i) contestant.engine->search(all.row(i), plan_.k, ids.data());
    const double each = seconds_between(start, Clock::now()) / static_cast<double>(sample);
    const auto most = static_cast<std::size_t>(plan_.slice_seconds / each);
    return std::min(all.count, std::max(most, sample));
  }

  void answer(const Contestant& contestant, Series& series) {
    const Rows all = queries(contestant);
    const std::size_t k = plan_.k, offset = plan_.part == Part::tune ? 0 : contestant.data->tune;
    std::vector<std::int64_t> ids(k);
    series.ids.resize(series.queries * k);
    double sum = 0;
    for (std::size_t i = 0; i < series.queries; ++i) {
      contestant.engine->search(all.row(i), k, ids.data());
      std::int32_t* kept = series.ids.data() + i * k;
      for (std::size_t j = 0; j < k; ++j) kept[j] = static_cast<std::int32_t>(ids[j]);
      sum += plan_.temperature == 0
                 ? contestant.truth->recall(*contestant.data, offset + i, {kept, k})
                 : contestant.truth->softmax_mass(*contestant.data, offset + i, {kept, k}, plan_.temperature);
    }
    series.recall = sum / static_cast<double>(series.queries);
  }

  const std::vector<Contestant>& contestants_;
  const RoundPlan& plan_;
  std::vector<std::int64_t> ids_;
  std::vector<Clock::time_point> moments_;
};

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double Series::median_qps() const { return static_cast<double>(queries) / median(seconds); }

double Series::quiet_qps() const {
  return static_cast<double>(queries) / std::accumulate(query_seconds.begin(), query_seconds.end(), 0.0);
}

double Series::latency(double share) const {
  if (query_seconds.empty()) return 0;
  std::vector<float> sorted = query_seconds;
  std::sort(sorted.begin(), sorted.end());
  return static_cast<double>(
      sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))]);
}

std::vector<Series> run_rounds(const std::vector<Contestant>& contestants, const std::vector<Entry>& entries,
                               const RoundPlan& plan, const std::function<void(const std::string&)>& told) {
  Runner runner(contestants, plan);
  std::vector<Series> all;
  all.reserve(entries.size());
  const std::string part = plan.part == Part::tune ? "tuning" : "test";
  const auto started = Clock::now();
  std::size_t last_told = contestants.size();
  for (const Entry& entry : entries) {
    if (entry.contestant != last_told) {
      last_told = entry.contestant;
      told(part + ": answers of " + contestants[last_told].name);
    }
    all.push_back(runner.prepare(entry));
    const Series& now = all.back();
    const std::size_t wanted =
        plan.part == Part::tune ? contestants[entry.contestant].data->tune : contestants[entry.contestant].data->test;
    if (now.queries < wanted)
      told("  " + contestants[entry.contestant].name + ", " + now.setting.label + ": slow, measured on " +
           std::to_string(now.queries) + " of " + std::to_string(wanted) + " queries");
  }
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(plan.seed);
  for (std::size_t round = 0; round < plan.rounds; ++round) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    for (const std::size_t i : order) {
      runner.time_one_by_one(all[i]);
      if (plan.threads > 1) {
        runner.time_batch(all[i], 1, all[i].batch_one);
        runner.time_batch(all[i], plan.threads, all[i].batch_all);
      }
    }
    told(part + ": round " + std::to_string(round + 1) + " of " + std::to_string(plan.rounds) + " done after " +
         fixed(seconds_between(started, Clock::now()), 0) + " s");
  }
  return all;
}

}  // namespace nestor::bench::ann
