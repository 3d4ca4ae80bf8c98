#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/ann/curve.h"
#include "bench/ann/hdf5_file.h"
#include "bench/ann/machine.h"
#include "bench/ann/report.h"
#include "bench/ann/svg_plot.h"
#include "bench/table.h"

namespace nestor::bench::ann {
namespace {

std::ofstream create(const std::filesystem::path& file) {
  std::ofstream out(file);
  if (!out) throw std::runtime_error("cannot write " + file.string());
  return out;
}

std::string plain(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

nlohmann::json series_json(const Report& report, const Series& s) {
  nlohmann::json rounds = nlohmann::json::array(), one = rounds, all = rounds;
  for (std::size_t r = 0; r < s.seconds.size(); ++r) rounds.push_back(s.qps(r));
  for (std::size_t r = 0; r < s.batch_all.size(); ++r) {
    one.push_back(s.batch_qps(r, false));
    all.push_back(s.batch_qps(r, true));
  }
  nlohmann::json json = {{"engine", report.contestants[s.entry.contestant].name},
                         {"setting", s.setting.label},
                         {"on_curve", s.setting.on_curve},
                         {"queries", s.queries},
                         {"recall", s.recall},
                         {"qps", rounds},
                         {"qps_median", s.median_qps()},
                         {"qps_quiet", s.quiet_qps()},
                         {"p50_us", s.latency(0.5) * 1e6},
                         {"p99_us", s.latency(0.99) * 1e6}};
  if (s.work.known)
    json["work"] = {{"distances", s.work.evaluations},
                    {"coordinates", s.work.coordinates},
                    {"code_bytes", s.work.code_bytes},
                    {"float_bytes", s.work.float_bytes},
                    {"query_multiply_adds", s.work.query_multiply_adds}};
  if (!all.empty()) {
    json["batch_qps_1_thread"] = one;
    json["batch_qps_all_threads"] = all;
  }
  return json;
}

nlohmann::json ratios_json(const Report& report, Clocking clocking) {
  nlohmann::json json = nlohmann::json::array();
  for (std::size_t a = 0; a < report.contestants.size(); ++a) {
    if (report.contestants[a].name != "nestor") continue;
    for (std::size_t b = 0; b < report.contestants.size(); ++b)
      for (const double target : kTargets)
        if (const auto ratio = a == b ? std::nullopt : ratio_at(report.series, a, b, target, clocking))
          json.push_back({{"peer", report.contestants[b].name},
                          {"recall", target},
                          {"median", ratio->median},
                          {"lowest", ratio->lowest},
                          {"highest", ratio->highest},
                          {"nestor_at_least", ratio->at_least_a},
                          {"peer_at_least", ratio->at_least_b}});
  }
  return json;
}

// As ann-benchmarks names its files: what is not a letter or a digit becomes one underscore.
std::string file_name(const std::string& label) {
  std::string name;
  for (const char c : label) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (word)
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  return name;
}

}  // namespace

std::string Report::file_stem() const {
  return data->name + "-k" + std::to_string(plan.k) + "-" + std::to_string(plan.threads) +
         (plan.threads == 1 ? "thread" : "threads");
}

void write_csv(const std::filesystem::path& file, const Report& report) {
  Table table({"data",
               "k",
               "engine",
               "setting",
               "on_curve",
               "queries",
               "recall",
               "qps_median",
               "qps_min",
               "qps_max",
               "qps_quiet",
               "p50_us",
               "p99_us",
               "distances",
               "coordinates",
               "code_bytes",
               "float_bytes",
               "batch_qps_1_thread",
               "batch_qps_all_threads",
               "threads",
               "build_seconds",
               "build_threads",
               "ingest_seconds",
               "reported_bytes_per_vector",
               "rss_heap_per_vector",
               "rss_file_per_vector"});
  const auto rows = static_cast<double>(report.data->rows);
  for (const Series& s : report.series) {
    std::vector<double> qps, one, all;
    for (std::size_t r = 0; r < s.seconds.size(); ++r) qps.push_back(s.qps(r));
    for (std::size_t r = 0; r < s.batch_all.size(); ++r) {
      one.push_back(s.batch_qps(r, false));
      all.push_back(s.batch_qps(r, true));
    }
    const ReadyEngine& ready = (*report.engines)[s.entry.contestant];
    const auto known = [&](double value) { return s.work.known ? plain(value) : std::string(); };
    table.add({report.data->name,
               std::to_string(report.plan.k),
               report.contestants[s.entry.contestant].name,
               s.setting.label,
               s.setting.on_curve ? "1" : "0",
               std::to_string(s.queries),
               plain(s.recall),
               plain(s.median_qps()),
               plain(*std::min_element(qps.begin(), qps.end())),
               plain(*std::max_element(qps.begin(), qps.end())),
               plain(s.quiet_qps()),
               plain(s.latency(0.5) * 1e6),
               plain(s.latency(0.99) * 1e6),
               known(s.work.evaluations),
               known(s.work.coordinates),
               known(s.work.code_bytes),
               known(s.work.float_bytes),
               one.empty() ? "" : plain(median(one)),
               all.empty() ? "" : plain(median(all)),
               std::to_string(report.plan.threads),
               plain(ready.cost.seconds),
               std::to_string(ready.cost.threads),
               plain(ready.cost.ingest_seconds),
               plain(static_cast<double>(ready.reported_bytes) / rows),
               plain(ready.resident_anonymous / rows),
               plain(ready.resident_file / rows)});
  }
  std::ofstream out = create(file);
  table.write_csv(out);
}

void write_json(const std::filesystem::path& file, const Report& report) {
  nlohmann::json json;
  json["machine"] = {{"cpu", cpu_model()}, {"features", cpu_features()}, {"cores", cpu_count()}};
  json["data"] = {{"name", report.data->name},
                  {"rows", report.data->rows},
                  {"dim", report.data->dim},
                  {"distance", name_of(report.data->distance)},
                  {"tuning_queries", report.data->tune},
                  {"test_queries", report.data->test}};
  json["k"] = report.plan.k;
  json["quality"] = report.plan.quality();
  json["rounds"] = report.plan.rounds;
  json["threads"] = report.plan.threads;
  json["pinned_core"] = report.plan.pin;
  json["settings_tried"] = report.settings_tried;
  for (std::size_t c = 0; c < report.contestants.size(); ++c) {
    const ReadyEngine& ready = (*report.engines)[c];
    json["engines"].push_back({{"name", report.contestants[c].name},
                               {"description", report.contestants[c].engine->description()},
                               {"build_seconds", ready.cost.seconds},
                               {"ingest_seconds", ready.cost.ingest_seconds},
                               {"build_threads", ready.cost.threads},
                               {"built_in_this_run", ready.built_now},
                               {"ready_in_seconds", ready.open_seconds},
                               {"reported_bytes", ready.reported_bytes},
                               {"bytes_by_part", report.contestants[c].engine->bytes_by_part()},
                               {"resident_heap_bytes", ready.resident_anonymous},
                               {"resident_file_bytes", ready.resident_file}});
  }
  for (const Series& s : report.series) json["series"].push_back(series_json(report, s));
  json["qps_ratios"] = ratios_json(report, Clocking::single);
  json["quiet_qps_ratios"] = ratios_json(report, Clocking::quiet);
  if (report.plan.threads > 1) json["batch_qps_ratios"] = ratios_json(report, Clocking::batch_all);
  create(file) << json.dump(2) << '\n';
}

void write_ann_benchmarks(const std::filesystem::path& folder, const Report& report) {
  const ComparisonData& data = *report.data;
  const std::size_t k = report.plan.k;
  const std::string distance = name_of(data.distance);
  for (const Series& s : report.series) {
    const std::string& algo = report.contestants[s.entry.contestant].name;
    const ReadyEngine& ready = (*report.engines)[s.entry.contestant];
    const auto place = folder / "results" / data.name / std::to_string(k) / algo;
    std::filesystem::create_directories(place);
    std::vector<float> distances(s.ids.size());
    std::vector<std::int32_t> neighbours(s.ids.begin(), s.ids.end());
    std::size_t found = 0;
    for (std::size_t i = 0; i < s.ids.size(); ++i) {
      if (s.ids[i] < 0) {
        distances[i] = std::numeric_limits<float>::infinity();
        continue;
      }
      ++found;
      const double ours = exact_distance(data.distance, data.test_queries().row(i / k),
                                         data.base_rows().row(static_cast<std::size_t>(s.ids[i])), data.dim);
      // Theirs: the Euclidean distance, or 1 - cosine, which is half the squared distance of unit vectors.
      distances[i] = static_cast<float>(data.distance == Distance::euclidean ? std::sqrt(ours)
                                        : data.distance == Distance::angular ? ours / 2
                                                                             : ours);
    }
    Hdf5File file = Hdf5File::create(place / (file_name(s.setting.label) + ".hdf5"));
    file.write_text_attribute("algo", algo);
    file.write_text_attribute("name", algo + "(" + s.setting.label + ")");
    file.write_text_attribute("dataset", data.name);
    file.write_text_attribute("distance", distance);
    file.write_attribute("batch_mode", false);
    file.write_attribute("expect_extra", false);
    file.write_attribute("count", static_cast<std::int64_t>(k));
    file.write_attribute("run_count", static_cast<std::int64_t>(s.seconds.size()));
    file.write_attribute("candidates", static_cast<double>(found) / static_cast<double>(s.queries));
    file.write_attribute("build_time", ready.cost.seconds + ready.cost.ingest_seconds);
    file.write_attribute("index_size",
                         (ready.resident_anonymous + ready.resident_file) / 1024);  // KB, by RSS, as theirs
    file.write_attribute("best_search_time",
                         *std::min_element(s.seconds.begin(), s.seconds.end()) / static_cast<double>(s.queries));
    if (s.work.known) file.write_attribute("dist_comps", s.work.evaluations * static_cast<double>(s.queries));
    file.write("times", s.queries, 0, s.query_seconds);
    file.write("neighbors", s.queries, k, neighbours);
    file.write("distances", s.queries, k, distances);
  }
}

void write_plot(const std::filesystem::path& file, const Report& report) {
  SvgPlot plot;
  plot.title = report.data->name + ", " + std::to_string(report.data->rows) + " x " + std::to_string(report.data->dim) +
               ", k = " + std::to_string(report.plan.k);
  plot.subtitle = cpu_model() +
                  (report.plan.threads > 1 ? ", batches on " + std::to_string(report.plan.threads) + " threads"
                                           : ", one query at a time on one thread") +
                  ", median of " + std::to_string(report.plan.rounds) + " interleaved rounds";
  plot.x_label = report.plan.quality();
  plot.y_label = "queries per second";
  const auto qps = [&](const Series& s) {
    if (report.plan.threads == 1) return s.median_qps();
    std::vector<double> all;
    for (std::size_t r = 0; r < s.batch_all.size(); ++r) all.push_back(s.batch_qps(r, true));
    return median(all);
  };
  for (std::size_t c = 0; c < report.contestants.size(); ++c) {
    PlotLine line{.name = report.contestants[c].name, .points = {}, .connected = true};
    for (const Series& s : report.series) {
      if (s.entry.contestant != c) continue;
      if (s.setting.on_curve)
        line.points.push_back({s.recall, qps(s)});
      else
        plot.lines.push_back(
            {.name = line.name + ", " + s.setting.label, .points = {{s.recall, qps(s)}}, .connected = false});
    }
    std::sort(line.points.begin(), line.points.end(), [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
    plot.lines.push_back(std::move(line));
  }
  create(file) << plot.draw();
}

}  // namespace nestor::bench::ann
