// nestor_bench_scan: how fast exact scans are.
//
//   nestor_bench_scan --data knnlm-dickens --pin 1
//   nestor_bench_scan --data synthetic:200000:768 --pin 1
//   nestor_bench_scan --planner --pin 1       walks against scans, and what the planner chooses
#include <cblas.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/ann/machine.h"
#include "bench/scan/planner_rounds.h"
#include "bench/scan/scan_rounds.h"
#include "index/distance.h"

// OpenBLAS's own; cblas.h of other BLAS libraries lacks it.
extern "C" void openblas_set_num_threads(int threads);

int main(int argc, char** argv) {
  using namespace nestor::bench;
  ann::DataRequest request{.set = "knnlm-dickens", .shared = NESTOR_SHARED, .tune_queries = 32, .test_queries = 32};
  scan::ScanRounds rounds;
  unsigned threads = 0;
  int pin = -1;
  bool planner = false;
  CLI::App app("Exact scans by codes, by rows and by BLAS: the same queries in interleaved rounds on one thread");
  app.add_option("--data", request.set, ann::data_set_forms())
      ->capture_default_str();
  app.add_option("--shared", request.shared, "directory that holds data/")->capture_default_str();
  app.add_option("--rows", request.max_rows, "use the first so many rows");
  app.add_option("--k", rounds.neighbours, "numbers of neighbours")->delimiter(',')->capture_default_str();
  app.add_option("--batch", rounds.batches, "queries at once, by codes")->delimiter(',')->capture_default_str();
  app.add_option("--rounds", rounds.rounds, "rounds, after one that warms up")->capture_default_str();
  app.add_option("--threads", threads, "for building; 0: all cores");
  app.add_flag("--planner", planner, "build a graph and compare walks, scans and the planner's choice");
  app.add_option("--pin", pin, "measure on this core");
  CLI11_PARSE(app, argc, argv);
  try {
    request.threads = std::max(1u, threads);
    const auto data = ann::load_data(request);
    if (planner) {
      scan::PlannerRounds choices;
      choices.threads = threads;
      choices.pin = pin;
      scan::measure_planner(data, choices, std::cout);
      return 0;
    }
    const scan::BuiltRows rows(data, scan::options_for(data, false), threads);
    std::cout << data.name << ", " << data.rows << " x " << data.dim << ", codes of "
              << rows.generation->quantizer().row_length() << " bytes, kernels " << nestor::index::kernels().name
              << ", " << ann::cpu_model() << "\n\n";
    openblas_set_num_threads(1);
    const ann::PinnedThread pinned(pin);
    return scan::compare_scans(data, rows, rounds, std::cout) ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "nestor_bench_scan: " << e.what() << '\n';
    return 1;
  }
}
