#pragma once
// The command line of nestor_bench_ann.

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "bench/ann/comparison_data.h"
#include "bench/ann/nestor_engine.h"
#include "bench/ann/rounds.h"

namespace nestor::bench::ann {

struct Options {
  DataRequest data;
  std::vector<std::string> engines;
  std::filesystem::path work, out;
  std::set<std::string> rebuild;
  unsigned build_threads = 0;  // filled: at least 1
  std::size_t tune_rounds = 3;
  std::size_t most_settings = 14;  // of an engine's curve
  RoundPlan plan;
  NestorSetup nestor;
  std::vector<std::size_t> scaling_rows;  // not empty: the growth law instead of one comparison
  std::size_t scaling_dim = 128;
  std::size_t scaling_centres = 0;  // 0: rows / 100, the density of the 200,000-row set
};

// Prints and exits on --help and on errors.
Options parse_options(int argc, char** argv);

}  // namespace nestor::bench::ann
