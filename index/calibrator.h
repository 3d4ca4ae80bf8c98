#pragma once
// Calibration of a collection: from queries to certificates.
//
// The queries are shuffled once and split. On A (a fifth) every candidate policy is tried and a path is frozen, from
// the full ladder to the cheapest policy, with a second look (deferral.h) where it pays on C. On B (three fifths) the
// path is tested (calibration.h) and certificates are made. C (a fifth) decides nothing that is certified: it reports
// what the choice is worth on queries that no choice has seen.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/certificate.h"
#include "index/collection.h"

namespace nestor::index {

struct CalibrationProgress {
  std::string phase;  // "exact neighbours", "trying policies", "learning", "certifying", "reporting"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

struct CalibrationRequest {
  // [count x dim]; empty: rows of the collection are drawn, as many as `rows`, and searched without themselves.
  std::span<const float> queries;
  std::size_t count = 0;
  std::size_t rows = 2000;
  std::uint32_t k = 10;
  LossKind loss = LossKind::recall;
  double loss_parameter = 0;     // tail_recall: the recall; total_variation: the temperature
  std::vector<double> epsilons;  // one certificate each; for recall 1 - target
  double delta = 0.05;           // of each certificate by itself
  RiskTest test = RiskTest::betting;
  Promise promise = Promise::certified;
  std::uint64_t seed = 42;  // of the shuffle, and of the rows drawn
  bool learn = true;        // try second looks
  unsigned threads = 0;     // 0: all cores
  std::string encoder;      // of the queries
  // A filter all queries have; the name is what a search has to give as SearchOptions::filter_name.
  std::string filter_name;
  std::span<const std::uint64_t> allowed_slots;
  std::uint64_t allowed_numbering = 0;  // see SearchOptions
  // Called from one thread; what it throws ends the calibration.
  std::function<void(const CalibrationProgress&)> progress;
};

// Means over the queries of one split.
struct PolicyFigures {
  double loss = 0;
  double evaluations = 0;   // distances, of codes and rows
  double coordinates = 0;   // multiply-adds
  double microseconds = 0;  // 95 % of the queries take less, as many threads as the calibration had
};

struct CalibrationOutcome {
  double epsilon = 0;
  std::optional<Certificate> certificate;  // nullopt: not even the full ladder passes, nothing is promised
  double risk = 0;                         // on B, of the chosen policy (or of the full ladder)
  PolicyFigures on_c;                      // of the same policy
  PolicyFigures fixed_on_c;                // the cheapest policy of fixed depth with no more loss on A
};

// What a second look was found to be worth on C, against the plain path, in units of the paired standard error.
struct DeferralVerdict {
  bool tried = false;
  bool shipped = false;  // worth more than two standard errors
  double saving = 0;     // share of the cost saved at equal loss; negative: it costs
  double standard_errors = 0;
};

struct CalibrationReport {
  std::vector<CalibrationOutcome> outcomes;   // as epsilons
  PolicyFigures full_ladder, default_policy;  // on C
  DeferralVerdict deferral;
  std::size_t queries = 0, tried = 0, path = 0;
  std::size_t on_a = 0, on_b = 0, on_c = 0;
  double seconds = 0;
  std::vector<std::string> warnings;
};

// The fewest queries with which every epsilon may be certified.
std::size_t queries_needed(const CalibrationRequest& request);

// Measures and chooses; nothing is stored (Collection::keep_certificates does that). Thread-safe; searches and writes
// go on meanwhile. Memory: the k exact neighbours of each query. Time: an exact scan for the queries, and about 200
// searches for each of a fifth of them. Throws Error invalid_argument: too few queries (saying how many are needed), a
// number out of range; failed_precondition: no graph yet, or another one at the end than at the beginning.
CalibrationReport calibrate(const Collection& collection, const CalibrationRequest& request);

}  // namespace nestor::index
