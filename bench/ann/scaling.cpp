#include "bench/ann/scaling.h"

#include <cmath>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/ann/curve.h"
#include "bench/ann/index_cache.h"
#include "bench/ann/machine.h"
#include "bench/ann/svg_plot.h"
#include "bench/table.h"

namespace nestor::bench::ann {
namespace {

constexpr double kRecall = 0.95;

struct Size {
  std::unique_ptr<ComparisonData> data;
  std::unique_ptr<GroundTruth> truth;
  std::vector<ReadyEngine> engines;  // in the order of Options::engines
};

struct Line {
  double slope = 0, intercept = 0, r_squared = 0;
};

Line least_squares(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sx += x[i], sy += y[i];
    sxx += x[i] * x[i], sxy += x[i] * y[i], syy += y[i] * y[i];
  }
  const double vx = sxx - sx * sx / n, vy = syy - sy * sy / n, cov = sxy - sx * sy / n;
  Line line;
  line.slope = vx > 0 ? cov / vx : 0;
  line.intercept = (sy - line.slope * sx) / n;
  line.r_squared = vx > 0 && vy > 0 ? cov * cov / (vx * vy) : 1;
  return line;
}

struct Growth {
  std::string engine;
  std::vector<double> rows, microseconds, distances, kilobytes;
};

Size prepare(const Options& options, std::size_t rows) {
  DataRequest request = options.data;
  const std::size_t centres =
      options.scaling_centres != 0 ? options.scaling_centres : std::max<std::size_t>(1, rows / 100);
  request.set =
      "synthetic:" + std::to_string(rows) + ":" + std::to_string(options.scaling_dim) + ":" + std::to_string(centres);
  std::cerr << "data: " << request.set << std::endl;
  Size size;
  size.data = std::make_unique<ComparisonData>(load_data(request));
  const auto folder = options.work / size.data->name;
  std::filesystem::create_directories(folder);
  size.truth = std::make_unique<GroundTruth>(
      GroundTruth::find(*size.data, std::max<std::size_t>(100, options.plan.k), folder, options.build_threads));
  for (const std::string& name : options.engines)
    size.engines.push_back(prepare_engine(
        {name, folder, options.build_threads, options.rebuild.contains(name), options.nestor}, *size.data));
  return size;
}

std::vector<Series> measure(const Options& options, const std::vector<Contestant>& contestants) {
  const auto say = [](const std::string& line) { std::cerr << line << std::endl; };
  std::vector<Entry> grid;
  for (std::size_t c = 0; c < contestants.size(); ++c)
    for (std::size_t s = 0, n = contestants[c].engine->settings(options.plan.k).size(); s < n; ++s)
      grid.push_back({c, s});
  RoundPlan tuning = options.plan;
  tuning.part = Part::tune;
  tuning.rounds = options.tune_rounds;
  tuning.threads = 1;
  const std::vector<Series> tuned = run_rounds(contestants, grid, tuning, say);
  RoundPlan testing = options.plan;
  testing.count_work = true;
  testing.threads = 1;
  return run_rounds(contestants, choose_settings(tuned, options.most_settings), testing, say);
}

void print_growth(std::ostream& out, const Growth& growth) {
  std::vector<double> log_rows, log_time, natural_rows, log_distances;
  for (std::size_t i = 0; i < growth.rows.size(); ++i) {
    log_rows.push_back(std::log2(growth.rows[i]));
    natural_rows.push_back(std::log(growth.rows[i]));
    log_time.push_back(std::log(growth.microseconds[i]));
    log_distances.push_back(std::log(growth.distances[i]));
  }
  const Line time = least_squares(log_rows, growth.microseconds), work = least_squares(log_rows, growth.distances);
  out << growth.engine << ": time = " << fixed(time.intercept, 1) << " + " << fixed(time.slope, 2) << " log2 N us (R2 "
      << fixed(time.r_squared, 3) << "), or N^" << fixed(least_squares(natural_rows, log_time).slope, 3)
      << "; distances = " << fixed(work.intercept, 0) << " + " << fixed(work.slope, 1) << " log2 N (R2 "
      << fixed(work.r_squared, 3) << "), or N^" << fixed(least_squares(natural_rows, log_distances).slope, 3) << '\n';
  const double first_log = log_rows.front(), last_log = log_rows.back();
  out << "  from " << grouped(growth.rows.front()) << " to " << grouped(growth.rows.back()) << " rows: log N grows "
      << fixed(last_log / first_log, 2) << "x, distances "
      << fixed(growth.distances.back() / growth.distances.front(), 2) << "x, time per distance "
      << fixed(growth.microseconds.back() / growth.distances.back() /
                   (growth.microseconds.front() / growth.distances.front()),
               2)
      << "x (the caches' share), time " << fixed(growth.microseconds.back() / growth.microseconds.front(), 2) << "x\n";
}

void write_growth(const Options& options, const Table& table, const std::vector<Growth>& all) {
  if (options.out.empty()) return;
  std::filesystem::create_directories(options.out);
  std::ofstream csv(options.out / "scaling.csv");
  table.write_csv(csv);
  nlohmann::json json = {
      {"cpu", cpu_model()}, {"dim", options.scaling_dim}, {"k", options.plan.k}, {"recall", kRecall}};
  SvgPlot plot{.title = "Time per query at recall " + fixed(kRecall, 2),
               .subtitle = cpu_model() + ", synthetic nested, " + std::to_string(options.scaling_dim) +
                           " coordinates, one thread",
               .x_label = "rows",
               .y_label = "microseconds per query",
               .axis = HorizontalAxis::logarithmic,
               .y_logarithmic = false,
               .lines = {}};
  for (const Growth& growth : all) {
    json["engines"].push_back({{"name", growth.engine},
                               {"rows", growth.rows},
                               {"microseconds", growth.microseconds},
                               {"distances", growth.distances},
                               {"kilobytes", growth.kilobytes}});
    PlotLine line{.name = growth.engine, .points = {}};
    for (std::size_t i = 0; i < growth.rows.size(); ++i)
      line.points.push_back({growth.rows[i], growth.microseconds[i]});
    plot.lines.push_back(std::move(line));
  }
  std::ofstream(options.out / "scaling.json") << json.dump(2) << '\n';
  std::ofstream(options.out / "scaling.svg") << plot.draw();
  std::cout << "\nWritten: " << (options.out / "scaling.{csv,json,svg}").string() << '\n';
}

}  // namespace

void run_scaling(const Options& options, std::ostream& out) {
  std::vector<Size> sizes;
  for (const std::size_t rows : options.scaling_rows) sizes.push_back(prepare(options, rows));
  std::vector<Contestant> contestants;
  for (const Size& size : sizes)
    for (std::size_t e = 0; e < options.engines.size(); ++e)
      contestants.push_back({options.engines[e] + " at " + grouped(static_cast<double>(size.data->rows)),
                             size.engines[e].engine.get(), size.data.get(), size.truth.get()});
  const std::vector<Series> series = measure(options, contestants);

  out << "Machine: " << cpu_model() << ", " << cpu_count() << " cores, " << cpu_features() << "\n"
      << "Synthetic nested rows, " << options.scaling_dim << " coordinates, cosine, k = " << options.plan.k
      << ", recall " << kRecall << " read off the curves of " << options.plan.rounds
      << " rounds over all sizes and engines,\neach query in its fastest round\n\n";
  Table table(
      {"engine", "rows", "QPS", "us", "distances", "KB", "ns/distance", "build s", "bytes/vector", "ready in s"});
  std::vector<Growth> all;
  for (std::size_t e = 0; e < options.engines.size(); ++e) {
    Growth growth{.engine = options.engines[e], .rows = {}, .microseconds = {}, .distances = {}, .kilobytes = {}};
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      const std::size_t c = s * options.engines.size() + e;
      const ReadyEngine& ready = sizes[s].engines[e];
      const auto rows = static_cast<double>(sizes[s].data->rows);
      const auto reading = median_reading(series, c, kRecall, Clocking::single);
      const auto distances = read_quantity(series, c, kRecall, [](const Series& x) { return x.work.evaluations; });
      const auto bytes =
          read_quantity(series, c, kRecall, [](const Series& x) { return x.work.code_bytes + x.work.float_bytes; });
      if (!reading || !distances || !bytes) {
        out << contestants[c].name << ": does not reach recall " << kRecall << "\n";
        continue;
      }
      const double us = 1e6 / reading->qps;
      table.add({growth.engine, grouped(rows), (reading->at_least ? ">= " : "") + grouped(reading->qps), fixed(us, 1),
                 fixed(*distances, 0), fixed(*bytes / 1024, 1), fixed(us * 1000 / *distances, 1),
                 fixed(ready.cost.seconds, 1), grouped(static_cast<double>(ready.reported_bytes) / rows),
                 fixed(ready.open_seconds, 3)});
      growth.rows.push_back(rows);
      growth.microseconds.push_back(us);
      growth.distances.push_back(*distances);
      growth.kilobytes.push_back(*bytes / 1024);
    }
    if (growth.rows.size() > 1) all.push_back(std::move(growth));
  }
  table.print(out);
  out << '\n';
  for (const Growth& growth : all) print_growth(out, growth);
  write_growth(options, table, all);
}

}  // namespace nestor::bench::ann
