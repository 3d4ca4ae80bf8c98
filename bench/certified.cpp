// Certified policies on real queries: how often the promise breaks over random splits, and what it costs against the
// full ladder and the best fixed depth of the same recall. Fails (status 1) when a promise breaks more often than delta
// and two standard errors allow: when the loss of a certified policy on all of the pool, of which the calibration part
// is a random sample, exceeds the promise.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <string>

#include "bench/ann/synthetic.h"
#include "bench/arguments.h"
#include "bench/bench_database.h"
#include "bench/data_set.h"
#include "bench/table.h"
#include "index/calibration.h"
#include "index/path_finder.h"
#include "index/policy_trial.h"

namespace {

using namespace nestor;
using namespace nestor::bench;
using index::MeasuredPolicy;
using index::SearchPolicy;
using index::TrialRun;

constexpr double kTargets[] = {0.90, 0.95, 0.99, 0.998};
constexpr double kDelta = 0.05;
constexpr std::size_t kSplits = 500;
constexpr std::size_t kOnA = 1000;
constexpr double kShareOfB = 0.6;  // of all queries, as in a calibration
constexpr std::size_t kRounds = 3;
constexpr std::size_t kTimed = 1000;

// One policy over the whole pool, replayed in every split.
struct Replay {
  SearchPolicy policy;
  TrialRun run;
};

struct Mean {
  double sum = 0, squares = 0, n = 0;
  void add(double x) { sum += x, squares += x * x, ++n; }
  double mean() const { return n > 0 ? sum / n : 0; }
  double deviation() const { return n > 1 ? std::sqrt(std::max(0.0, squares / n - mean() * mean())) : 0; }
};

struct Figures {
  double loss = 0, evaluations = 0, coordinates = 0, microseconds = 0;
};

class Experiment {
 public:
  Experiment(const index::Collection& collection, const Matrix& queries, const Arguments& arguments)
      : collection_(collection), queries_(queries) {
    request_.k = 10;
    request_.threads = arguments.threads;
  }

  bool run(const std::string& name, std::vector<std::pair<std::string, std::string>>& verdicts) {
    std::vector<std::size_t> order(queries_.rows);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::mt19937_64 rng(42);
    std::shuffle(order.begin(), order.end(), rng);
    const std::size_t on_a = std::min(kOnA, order.size() / 5);
    index::PolicyTrial a = trial(order, 0, on_a);
    pool_.emplace(trial(order, on_a, order.size()));
    on_b_ = static_cast<std::size_t>(std::ceil(kShareOfB * static_cast<double>(order.size())));
    for (index::PolicyTrial* part : {&a, &*pool_}) part->find_exact_neighbours([](std::size_t) {});
    std::fprintf(stderr, "  exact neighbours of %zu queries\n", order.size());

    index::PathFinder paths(collection_.policy_space(request_.k), a,
                            [last = std::string()](const char* phase, std::size_t, std::size_t) mutable {
                              if (last != phase) std::fprintf(stderr, "  %s\n", phase);
                              last = phase;
                            });
    const auto plain = paths.plain_path();
    const auto learnt = paths.learnt_path();
    std::vector<MeasuredPolicy> fixed;
    for (const SearchPolicy& policy : index::candidate_policies(collection_.policy_space(request_.k))) {
      if (policy.gap != 0) continue;
      const auto figures = a.run(policy);
      fixed.push_back({policy, figures.figures.loss, figures.mean_cost()});
    }
    const MeasuredPolicy safest = plain.front();
    const auto fixed_path = index::policy_path(safest, fixed, 40);
    // Only the gap rule as it stands: what a second look has to beat.
    plain_ = replay(plain, "plain path");
    learnt_ = replay(learnt, "learnt path");
    fixed_ = replay(fixed_path, "fixed depths");
    std::vector<double> epsilons;
    for (const double target : kTargets) epsilons.push_back(1 - target);
    const index::DeferralVerdict verdict = paths.judge(*pool_, learnt, epsilons);
    std::printf("%s: %zu queries, %zu on A, %zu in the pool; paths of %zu and %zu policies, %zu fixed depths.\n",
                name.c_str(), order.size(), on_a, pool_->count(), plain.size(), learnt.size(), fixed_path.size());
    std::printf("Second looks on the pool save %.2f %% (%.1f standard errors).\n\n", 100 * verdict.saving,
                verdict.standard_errors);
    bool good = table(name + ", gap and fixed depths", plain_);
    good &= table(name + ", with second looks", learnt_);
    verdicts.emplace_back(name, verdict.shipped ? "in use" : "not in use");
    return good;
  }

 private:
  index::PolicyTrial trial(const std::vector<std::size_t>& order, std::size_t first, std::size_t last) const {
    std::vector<float> vectors;
    for (std::size_t i = first; i < last; ++i) {
      const auto row = queries_.row(order[i]);
      vectors.insert(vectors.end(), row.begin(), row.end());
    }
    return {collection_, request_, {std::move(vectors), {}}};
  }

  std::vector<Replay> replay(const std::vector<MeasuredPolicy>& path, const char* what) {
    std::fprintf(stderr, "  %s: %zu policies over the pool\n", what, path.size());
    std::vector<Replay> out;
    for (const MeasuredPolicy& m : path) out.push_back({m.policy, pool_->run(m.policy)});
    return out;
  }

  // Of the queries `picked`.
  static Figures figures(const Replay& replay, std::span<const std::size_t> picked) {
    Figures f;
    const auto n = static_cast<double>(picked.size());
    for (const std::size_t q : picked) {
      f.loss += static_cast<double>(replay.run.losses[q]) / n;
      f.evaluations += static_cast<double>(replay.run.evaluations[q]) / n;
      f.coordinates += static_cast<double>(replay.run.coordinates[q]) / n;
    }
    return f;
  }

  // The cheapest fixed depth at this loss: between two neighbouring ones of the lower front, straight in ln(loss).
  static Figures fixed_at(std::vector<Figures> curve, double loss) {
    std::sort(curve.begin(), curve.end(),
              [](const Figures& x, const Figures& y) { return x.evaluations < y.evaluations; });
    std::vector<Figures> front;
    for (const Figures& f : curve)
      if (front.empty() || f.loss < front.back().loss) front.push_back(f);
    const auto at = std::find_if(front.begin(), front.end(), [&](const Figures& f) { return f.loss <= loss; });
    if (at == front.begin()) return front.front();
    if (at == front.end()) return front.back();
    const Figures &cheap = at[-1], &dear = *at;
    const double floor = 1e-6;
    const double share = (std::log(cheap.loss + floor) - std::log(loss + floor)) /
                         (std::log(cheap.loss + floor) - std::log(dear.loss + floor));
    const auto between = [&](double x, double y) { return x + share * (y - x); };
    return {loss, between(cheap.evaluations, dear.evaluations), between(cheap.coordinates, dear.coordinates), 0};
  }

  struct Row {
    std::size_t certified = 0, broken = 0, broken_on_c = 0, naive_broken = 0;
    Mean recall, evaluations, coordinates, against_fixed, against_full, coordinates_against_fixed;
    std::map<std::size_t, std::size_t> chosen;
  };

  // The pool in two parts, at random: certify on one, look at the other.
  Row split_often(const std::vector<Replay>& path, double target) const {
    Row row;
    const double epsilon = 1 - target;
    std::mt19937_64 rng(7);
    std::vector<std::size_t> order(pool_->count());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<float> sample;
    for (std::size_t split = 0; split < kSplits; ++split) {
      std::shuffle(order.begin(), order.end(), rng);
      const std::span<const std::size_t> b(order.data(), on_b_), c(order.data() + on_b_, order.size() - on_b_);
      const auto losses = [&](std::size_t i) {
        sample.clear();
        for (const std::size_t q : b) sample.push_back(path[i].run.losses[q]);
        return std::span<const float>(sample);
      };
      std::size_t naive = 0;
      while (naive + 1 < path.size() && figures(path[naive + 1], b).loss <= epsilon) ++naive;
      row.naive_broken += path[naive].run.figures.loss > epsilon;
      const auto choice = index::choose_certified(index::RiskTest::betting, path.size(), losses, {epsilon, kDelta});
      if (!choice.chosen) continue;
      ++row.certified;
      ++row.chosen[*choice.chosen];
      const Figures f = figures(path[*choice.chosen], c);
      row.broken += path[*choice.chosen].run.figures.loss > epsilon;
      row.broken_on_c += f.loss > epsilon;
      row.recall.add(1 - f.loss);
      row.evaluations.add(f.evaluations);
      row.coordinates.add(f.coordinates);
      std::vector<Figures> curve;
      for (const Replay& r : fixed_) curve.push_back(figures(r, c));
      const Figures fixed = fixed_at(curve, f.loss);
      row.against_fixed.add(fixed.evaluations / f.evaluations);
      row.coordinates_against_fixed.add(fixed.coordinates / f.coordinates);
      row.against_full.add(figures(path.front(), c).evaluations / f.evaluations);
    }
    return row;
  }

  bool table(const std::string& title, const std::vector<Replay>& path) {
    Table out({"target", "certified", "broken", "naive broken", "over on C", "recall", "distances", "coordinates",
               "x full", "x fixed", "x fixed coord", "QPS x fixed", "p99 x fixed", "policy most often chosen"});
    bool good = true;
    for (const double target : kTargets) {
      const Row row = split_often(path, target);
      const double share = static_cast<double>(row.broken) / kSplits;
      good &= share <= kDelta + 2 * std::sqrt(kDelta * (1 - kDelta) / kSplits);
      const std::string head = fixed(target, 3);
      if (row.certified == 0) {
        out.add({head, "0", "-", std::to_string(row.naive_broken), "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"});
        continue;
      }
      std::size_t usual = 0, most = 0;
      for (const auto& [i, count] : row.chosen)
        if (count > most) most = count, usual = i;
      out.add({head, std::to_string(row.certified), std::to_string(row.broken), std::to_string(row.naive_broken),
               std::to_string(row.broken_on_c), fixed(row.recall.mean(), 4), fixed(row.evaluations.mean(), 0),
               fixed(row.coordinates.mean(), 0), fixed(row.against_full.mean(), 2),
               fixed(row.against_fixed.mean(), 3) + "+-" + fixed(row.against_fixed.deviation(), 3),
               fixed(row.coordinates_against_fixed.mean(), 3), fixed(speed(path[usual]), 2),
               fixed(tail(path[usual]), 2), to_string(path[usual].policy)});
    }
    std::cout << title << " (" << kSplits << " splits, delta " << kDelta << ")\n";
    out.print(std::cout);
    std::cout << std::endl;
    return good;
  }

  // The cheapest fixed depth that loses no more on the pool.
  const Replay& rival(const Replay& chosen) const {
    const Replay* best = &fixed_.front();
    for (const Replay& r : fixed_)
      if (r.run.figures.loss <= chosen.run.figures.loss && r.run.figures.evaluations < best->run.figures.evaluations)
        best = &r;
    return *best;
  }

  // Distances that 1 % of the queries go beyond, of the rival's.
  double tail(const Replay& chosen) const {
    const auto late = [](std::vector<float> evaluations) {
      const auto at = evaluations.begin() + static_cast<std::ptrdiff_t>(evaluations.size() * 99 / 100);
      std::nth_element(evaluations.begin(), at, evaluations.end());
      return static_cast<double>(*at);
    };
    return late(rival(chosen).run.evaluations) / late(chosen.run.evaluations);
  }

  // Queries per second, of the rival's: interleaved, one thread.
  double speed(const Replay& chosen) const {
    std::vector<double> ours, theirs;
    for (std::size_t round = 0; round < kRounds; ++round) {
      ours.push_back(seconds(chosen.policy));
      theirs.push_back(seconds(rival(chosen).policy));
    }
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    return theirs[kRounds / 2] / ours[kRounds / 2];
  }

  double seconds(const SearchPolicy& policy) const {
    index::SearchOptions options;
    options.k = request_.k;
    options.policy = policy;
    const auto begun = std::chrono::steady_clock::now();
    for (std::size_t q = 0; q < std::min(kTimed, queries_.rows); ++q) collection_.search(queries_.row(q), options);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  }

  const index::Collection& collection_;
  const Matrix& queries_;
  index::CalibrationRequest request_;
  std::optional<index::PolicyTrial> pool_;
  std::vector<Replay> plain_, learnt_, fixed_;
  std::size_t on_b_ = 0;
};

constexpr std::size_t kSyntheticRows = 200000, kSyntheticQueries = 10000;
constexpr std::uint32_t kSyntheticDim = 768;

// The nested set of bench/ann: unit vectors, cosine.
DataSetFiles synthetic() {
  DataSetFiles files;
  files.name = "synthetic";
  files.rotations = {index::Rotation::none};
  files.metric = index::Metric::cosine;
  return files;
}

std::pair<Matrix, Matrix> make_synthetic(const Arguments& arguments) {
  const ann::SyntheticGenerator generator({.dim = kSyntheticDim});
  const auto make = [&](ann::SyntheticGenerator::Stream stream, std::size_t rows) {
    return Matrix{rows, kSyntheticDim, generator.make_all(stream, rows, arguments.threads), false};
  };
  return {
      make(ann::SyntheticGenerator::Stream::base, kSyntheticRows),
      make(ann::SyntheticGenerator::Stream::queries, arguments.queries == 0 ? kSyntheticQueries : arguments.queries)};
}

int run(const Arguments& arguments) {
  BenchDatabase database(arguments);
  bool good = true;
  std::vector<std::pair<std::string, std::string>> verdicts;
  const bool made = arguments.only == "synthetic";
  for (DataSetFiles& files : made ? std::vector<DataSetFiles>{synthetic()} : find_data_sets(arguments)) {
    files.graphs.clear();  // those that a build makes unasked
    const auto [keys, queries] =
        made ? make_synthetic(arguments)
             : std::pair{load_matrix(files.keys), load_matrix(files.queries, 1, arguments.queries)};
    const index::Rotation rotation = files.rotations.front();
    const auto collection = database.collection(files, rotation, keys);
    Experiment experiment(*collection, queries, arguments);
    good &= experiment.run(files.name + ", rotation " + std::string(index::to_string(rotation)), verdicts);
  }
  std::cout << "B is drawn from the pool, C is the rest of it. broken: splits that certify a policy whose loss on the "
               "whole pool,\n"
               "of which B is a sample, exceeds the promise; naive: the same of the cheapest policy whose mean loss on "
               "B keeps to\n"
               "the promise. over on C: splits whose C loses more than promised, by what its own few queries vary, "
               "too. Recall and\n"
               "costs are those of C. x full: distances of the full ladder over the certified policy's;\n"
               "x fixed: those of the cheapest fixed depth with the same recall on the other part. QPS and p99 (of "
               "distances): of\n"
               "the policy most often chosen, against the cheapest fixed depth tried that loses no more on all of the "
               "pool.\n";
  for (const auto& [name, verdict] : verdicts) std::cout << name << ": second looks would be " << verdict << ".\n";
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(
        parse_arguments(argc, argv, "certified: broken promises and cost of certified policies over 500 splits"));
  } catch (const std::exception& error) {
    std::cerr << "certified: " << error.what() << '\n';
    return 1;
  }
}
