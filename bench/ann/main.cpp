// nestor_bench_ann: one comparison of Nestor with its peers, from data to report.

#include <cblas.h>

#include <exception>
#include <iostream>

#include "bench/ann/curve.h"
#include "bench/ann/index_cache.h"
#include "bench/ann/options.h"
#include "bench/ann/report.h"
#include "bench/ann/scaling.h"

namespace {

using namespace nestor::bench::ann;

void say(const std::string& line) { std::cerr << line << std::endl; }

void write_files(const Options& options, const Report& report) {
  if (options.out.empty()) return;
  std::filesystem::create_directories(options.out);
  const auto stem = options.out / report.file_stem();
  write_csv(stem.string() + ".csv", report);
  write_json(stem.string() + ".json", report);
  write_plot(stem.string() + ".svg", report);
  write_ann_benchmarks(options.out, report);
  std::cout << "\nWritten: " << stem.string() << ".{csv,json,svg} and " << (options.out / "results").string() << "\n";
}

void compare(const Options& options) {
  say("data: " + options.data.set);
  const ComparisonData data = load_data(options.data);
  const auto folder = options.work / data.name;
  std::filesystem::create_directories(folder);
  say("exact neighbours of " + std::to_string(data.tune + data.test) + " queries among " + std::to_string(data.rows) +
      " rows");
  const GroundTruth truth =
      GroundTruth::find(data, std::max<std::size_t>(100, options.plan.k), folder, options.build_threads);

  std::vector<ReadyEngine> engines;
  Report report{.data = &data,
                .truth_source = truth.source(),
                .plan = options.plan,
                .tune_rounds = options.tune_rounds,
                .settings_tried = 0,
                .contestants = {},
                .engines = &engines,
                .series = {}};
  for (const std::string& name : options.engines) {
    engines.push_back(
        prepare_engine({name, folder, options.build_threads, options.rebuild.contains(name), options.nestor}, data));
    report.contestants.push_back({name, engines.back().engine.get(), &data, &truth});
  }

  std::vector<Entry> grid;
  for (std::size_t c = 0; c < report.contestants.size(); ++c) {
    const std::size_t settings = report.contestants[c].engine->settings(options.plan.k).size();
    for (std::size_t s = 0; s < settings; ++s) grid.push_back({c, s});
  }
  report.settings_tried = grid.size();
  RoundPlan tuning = options.plan;
  tuning.part = Part::tune;
  tuning.rounds = options.tune_rounds;
  tuning.threads = 1;
  tuning.slice_seconds /= 4;
  const std::vector<Series> tuned = run_rounds(report.contestants, grid, tuning, say);

  report.plan.part = Part::test;
  report.plan.count_work = true;
  report.series = run_rounds(report.contestants, choose_settings(tuned, options.most_settings), report.plan, say);
  print_machine(std::cout, report);
  print_report(std::cout, report);
  write_files(options, report);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse_options(argc, argv);
    // Threads are ours and Faiss's to give out; BLAS must not add its own to a single-threaded measurement.
    openblas_set_num_threads(1);
    if (options.scaling_rows.empty())
      compare(options);
    else
      run_scaling(options, std::cout);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "nestor_bench_ann: " << error.what() << '\n';
    return 1;
  }
}
