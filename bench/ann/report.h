#pragma once
// What one comparison found, and its forms: tables for people, CSV and JSON for programs, a plot, and the result
// files that ann-benchmarks' tools read.

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "bench/ann/comparison_data.h"
#include "bench/ann/index_cache.h"
#include "bench/ann/rounds.h"

namespace nestor::bench::ann {

struct Report {
  const ComparisonData* data = nullptr;
  std::string truth_source;
  RoundPlan plan;  // of the test rounds
  std::size_t tune_rounds = 0, settings_tried = 0;
  std::vector<Contestant> contestants;
  const std::vector<ReadyEngine>* engines = nullptr;  // in the order of the contestants
  std::vector<Series> series;                         // the chosen settings, on the test queries

  std::string file_stem() const;  // "knnlm-dickens-k10-1thread"
};

void print_machine(std::ostream& out, const Report& report);
void print_report(std::ostream& out, const Report& report);

void write_csv(const std::filesystem::path& file, const Report& report);
void write_json(const std::filesystem::path& file, const Report& report);
// One file a setting: DIR/results/<data set>/<k>/<engine>/<setting>.hdf5.
void write_ann_benchmarks(const std::filesystem::path& folder, const Report& report);
void write_plot(const std::filesystem::path& file, const Report& report);

}  // namespace nestor::bench::ann
