// Recall, latency and work on real data, for exact search at every width and for ladder policies.
// Fails (status 1) when exact search misses a neighbour or no ladder reaches recall@10 0.99.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include "bench/arguments.h"
#include "bench/bench_database.h"
#include "bench/data_set.h"
#include "bench/measurement.h"
#include "bench/policies.h"
#include "bench/table.h"
#include "index/error.h"

namespace {

using namespace nestor;
using namespace nestor::bench;

constexpr double kGoal = 0.99;
constexpr std::size_t kTimedExact = 20;  // queries timed when every row is scanned

std::string factor(double value) { return fixed(value, value < 1 ? 3 : value < 10 ? 2 : 0); }

// One collection under measurement, and what the summary needs to remember of it.
class Curve {
 public:
  Curve(const Workload& workload, std::string label, Table& table)
      : workload_(workload), label_(std::move(label)), table_(table) {}

  // True when the goals are met.
  bool run(const DataSetFiles& files) {
    const Rungs rungs = rungs_of(workload_.collection.options());
    for (const std::uint32_t k : {10u, 100u}) {
      if (k > workload_.truth.depth) continue;
      const std::size_t first = table_.size();
      measure_walks(files.graphs.back(), k);
      for (const std::uint32_t width : files.widths) measure_exact(width, k);
      add(default_policy(), k);
      for (const Policy& policy : ladder_policies(rungs, k)) add(policy, k);
      std::cout << '\n';
      table_.print(std::cout, first, 1);  // without the set, which CSV needs
    }
    return summarise();
  }

 private:
  // The full-width HNSW search that a ladder is held against: the widest graph, every evaluation at full width.
  void measure_walks(std::uint32_t width, std::uint32_t k) {
    sweep_.clear();
    const std::vector<Policy> policies = walk_sweep(width, k);
    for (const Policy& policy : policies) sweep_.push_back(measure(workload_, policy, k));
    for (std::size_t i = 0; i < policies.size(); ++i) add_row("walk " + policies[i].name, sweep_[i], k);
  }

  void measure_exact(std::uint32_t width, std::uint32_t k) {
    Workload workload = workload_;
    workload.timed_queries = kTimedExact;
    const Policy policy = exact_policy(width);
    const Measurement m = measure(workload, policy, k);
    add_row(policy.name, m, k);
    if (width == workload_.keys.dim) exact_recall_ = std::min(exact_recall_, m.recall);
  }

  void add(const Policy& policy, std::uint32_t k) {
    const Measurement m = measure(workload_, policy, k);
    add_row(policy.name, m, k);
    if (k != 10 || m.recall < kGoal) return;
    if (!best_ || m.coordinates < best_->coordinates) {
      best_ = m;
      best_name_ = policy.name;
      best_against_walk_ = walk_work(m.recall);
    }
  }

  // Multiply-adds of the full-width walk at this recall; nullopt: it does not get there.
  std::optional<double> walk_work(double recall) const {
    const auto evaluations = walk_evaluations_at(sweep_, recall);
    if (!evaluations) return std::nullopt;
    return *evaluations * workload_.keys.dim;
  }

  double exact_work() const { return static_cast<double>(workload_.keys.rows) * workload_.keys.dim; }

  void add_row(const std::string& name, const Measurement& m, std::uint32_t k) {
    const auto walk = walk_work(m.recall);
    table_.add({label_, name, std::to_string(k), fixed(m.recall, 4), fixed(m.microseconds, 1), fixed(m.evaluations, 0),
                fixed(m.coordinates, 0), factor(exact_work() / m.coordinates),
                walk ? factor(*walk / m.coordinates) : "-"});
  }

  bool summarise() const {
    std::cout << '\n'
              << label_ << ": exact full-width search finds " << fixed(100 * exact_recall_, 3)
              << " % of the true neighbours (ties aside).\n";
    if (!best_) {
      std::cout << label_ << ": NO ladder reaches recall@10 " << kGoal << ".\n\n";
      return false;
    }
    std::cout << label_ << ": cheapest ladder with recall@10 >= " << kGoal << ": " << best_name_ << " ("
              << fixed(best_->recall, 4) << ", " << fixed(best_->microseconds, 0)
              << " us): " << grouped(best_->coordinates) << " multiply-adds, "
              << fixed(exact_work() / best_->coordinates, 0) << " times fewer than exact search's "
              << grouped(exact_work());
    if (best_against_walk_)
      std::cout << ", " << fixed(*best_against_walk_ / best_->coordinates, 1)
                << " times fewer than a full-width HNSW walk's " << grouped(*best_against_walk_);
    std::cout << ".\n\n";
    return exact_recall_ >= 1.0 - 1e-9;
  }

  const Workload& workload_;
  std::string label_;
  Table& table_;
  std::vector<Measurement> sweep_;
  double exact_recall_ = 1.0;
  std::optional<Measurement> best_;
  std::string best_name_;
  std::optional<double> best_against_walk_;
};

bool run_set(const DataSetFiles& files, const Arguments& arguments, BenchDatabase& database, Table& table) {
  const Matrix keys = load_matrix(files.keys);
  // A set may ship more queries than it knows the neighbours of.
  const GroundTruth truth = load_ground_truth(files, files.query_step, arguments.queries);
  const Matrix queries = load_matrix(files.queries, files.query_step, truth.queries);
  bool good = true;
  for (const index::Rotation rotation : files.rotations) {
    const auto collection = database.collection(files, rotation, keys);
    std::cout << files.name << ", rotation " << index::to_string(rotation) << ": " << keys.rows << " rows x "
              << keys.dim << ", L2; " << queries.rows << " queries"
              << (files.query_step > 1 ? " (every " + std::to_string(files.query_step) + "th)" : "") << std::endl;
    const Workload workload{*collection, keys, queries, truth, arguments.threads, 0};
    good &= Curve(workload, files.name + "/" + std::string(index::to_string(rotation)), table).run(files);
  }
  return good;
}

int run(const Arguments& arguments) {
  BenchDatabase database(arguments);
  Table table({"set", "policy", "k", "recall@k", "us/query", "evaluations", "multiply-adds", "x exact", "x walk"});
  bool good = true;
  for (const DataSetFiles& files : find_data_sets(arguments)) good &= run_set(files, arguments, database, table);
  std::cout
      << "us/query: median, one query at a time on one thread. multiply-adds: coordinates read per query, codes and\n"
         "floats alike, rotating included. x exact: work of full-width exact search over this policy's; x walk: work "
         "of\n"
         "a full-width HNSW walk of the same recall (the 'walk' rows' evaluations, each at full width) over this\n"
         "policy's.\n";
  if (arguments.csv) {
    std::ofstream file(*arguments.csv);
    table.write_csv(file);
    if (!file.flush())
      throw index::Error(index::ErrorCode::permission_denied, "cannot write " + arguments.csv->string());
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(
        parse_arguments(argc, argv, "recall_curve: recall, latency and work of exact search and of ladder policies"));
  } catch (const std::exception& error) {
    std::cerr << "recall_curve: " << error.what() << '\n';
    return 1;
  }
}
