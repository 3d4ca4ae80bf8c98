#pragma once
// What calibration leaves behind: a policy, the promise it was certified for, and everything that was true meanwhile.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/calibration.h"
#include "index/search_policy.h"
#include "index/types.h"

namespace nestor::index {

// recall: 1 - recall@k, against the exact neighbours; a row as near as the k-th counts (up to 1e-6), at most k count.
// tail_recall: 1 where recall@k is below `parameter`, else 0.
// total_variation: half the summed difference between the kNN-LM distributions of the found and of the exact
//   neighbours, at temperature `parameter`.
enum class LossKind : std::uint8_t { recall = 0, tail_recall = 1, total_variation = 2 };

// certified: epsilon is exceeded with probability delta at most. expected: epsilon holds on average over samples too.
enum class Promise : std::uint8_t { certified = 0, expected = 1 };

// Where the calibration queries came from: given ones, or rows of the collection searched without themselves. Rows are
// not queries: the promise then holds for searches near points that are like the stored ones.
enum class QuerySource : std::uint8_t { queries = 0, rows = 1 };

std::string_view to_string(LossKind kind);       // "recall", "tail-recall", "total-variation"
std::string_view to_string(Promise promise);     // "certified", "expected"
std::string_view to_string(QuerySource source);  // "queries", "rows"
LossKind parse_loss_kind(std::string_view text);
Promise parse_promise(std::string_view text);

// What a collection served from when it was calibrated, or serves from now.
struct ServedState {
  Sequence generation = 0;        // 0: no graph
  std::uint64_t fingerprint = 0;  // of the generation's bytes
  Slot next_slot = 0;
  std::uint64_t points = 0;  // live

  bool operator==(const ServedState&) const = default;
};

// Rows that entered plus rows that left between two states, as a share of the first one's points. A point that was
// written again counts twice.
double churn(const ServedState& before, const ServedState& now);
inline constexpr double kMostChurn = 0.01;

struct CertifiedPoint {
  SearchPolicy policy;
  bool tested = false;  // calibration stops at the first failure
  double risk = 0;      // mean loss on the calibration split
  double p_value = 1;
  // On the first split, a query:
  double evaluations = 0;   // distances, of codes and rows
  double coordinates = 0;   // multiply-adds
  double microseconds = 0;  // 95 % of the queries take less, one thread a query
};

struct Certificate {
  std::uint64_t id = 0;      // unique in its collection
  std::int64_t created = 0;  // seconds since 1970
  ServedState state;
  std::vector<std::uint32_t> widths;
  std::uint32_t k = 0;
  Metric metric = Metric::l2;
  std::string filter;   // name of the filter it was calibrated with; empty: none
  std::string encoder;  // of the queries; empty: not said
  QuerySource source = QuerySource::queries;
  LossKind loss = LossKind::recall;
  double loss_parameter = 0;
  RiskLevel level;
  Promise promise = Promise::certified;
  RiskTest test = RiskTest::betting;
  std::uint64_t queries = 0;         // n, on which the promise rests
  std::uint64_t seed = 0;            // of the splits
  std::vector<CertifiedPoint> path;  // safest first
  std::uint32_t chosen = 0;          // in path
  std::string withdrawn;             // why it no longer serves, though not stale: the monitor's alarm

  const SearchPolicy& policy() const { return path[chosen].policy; }
};

// Empty when the certificate holds for the state, else why it does not.
std::string why_stale(const Certificate& certificate, const ServedState& now);

}  // namespace nestor::index
