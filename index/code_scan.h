#pragma once
// Exact answers from a scan of codes: every row's code is compared with every query, rows that the code's error bound
// cannot exclude are ranked exactly. With the certain margin the answer is that of a scan of the rows, bit for bit, at
// a quarter of the bytes and, for batches, several times faster (nestor_bench_scan).
//
// Cost: rows x code bytes once per batch from memory, and the exact distances of what survives: about k to 3 k rows on
// the data of docs/performance.md.

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "index/code_matrix.h"
#include "index/scan_query.h"

namespace nestor::index {

// Exact distances of survivors.
struct ExactRows {
  std::function<float(std::size_t query, std::uint32_t number)> distance;
  std::function<void(std::uint32_t number)> prefetch;
};

// Rows of one code matrix, ascending, with the error bytes of all its rows. A row is known as first_number + row to
// ExactRows and in the answer.
struct ScanRows {
  const CodeMatrix& codes;
  const std::uint8_t* errors;
  std::span<const std::uint32_t> rows;
  std::uint32_t first_number = 0;
};

// One scan of one batch. Not thread-safe.
class CodeScan {
 public:
  // queries of one ranking width; REQUIRES: ScanQuery::serves(). All arguments but k must outlive the scan.
  CodeScan(const Quantizer& quantizer, const CodeBound& bound, Metric metric,
           std::span<const PreparedQuery* const> queries, std::size_t dim, std::uint32_t k, const ExactRows& exact,
           ScanMargin margin);

  // May be called again for rows of other matrices. False, and nothing was done, when a sample of many rows says that
  // so large a share of them would survive that scanning the rows themselves is cheaper.
  bool add(const ScanRows& rows);

  // The k nearest rows of one query, nearest first, ties to the smaller number. Once per query.
  std::vector<std::pair<float, std::uint32_t>> take(std::size_t query);

  std::uint64_t ranked_exactly(std::size_t query) const { return states_[query].ranked; }  // exact distances so far

 private:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

  struct Found {
    std::int32_t key;
    float worst;  // see ScanQuery
    std::uint32_t number;
    std::uint8_t error;
  };
  struct State {
    explicit State(ScanQuery q) : query(std::move(q)) {}
    ScanQuery query;
    ScanQuery::KeyLimits limits;                            // rows with larger keys are left out
    double limited_to = kNoLimit;                           // the distance that limits stands for
    double within = kNoLimit;                               // k rows are at most this far, for certain
    std::vector<Found> found;                               // not measured yet
    std::vector<std::pair<float, std::uint32_t>> measured;  // exact distances known
    std::size_t cut_at = 0;                                 // size of `found` at which to tighten
    std::uint64_t ranked = 0;
  };
  struct Scratch;

  void scan(const ScanRows& rows, std::size_t first_query, std::size_t count, Scratch& scratch);
  void scan_block(const ScanRows& block, std::size_t first_query, std::size_t count, Scratch& scratch);
  void select(const ScanRows& block, std::size_t query, std::int32_t limit, const std::int32_t* keys, Scratch& scratch);
  void compare_alone(const ScanRows& block, const ScanQuery& query, Scratch& scratch) const;
  void compare_packed(std::size_t groups, std::size_t first_query, std::size_t count, Scratch& scratch) const;
  void pack(const ScanRows& block, Scratch& scratch) const;
  static simd::CodeBatch join(const CodeSegment& segment, const simd::CodeBatch& rows, Scratch& scratch);

  double guess_limits(const ScanRows& rows, Scratch& scratch);
  void tighten(std::size_t query);
  void prove(State& state, double distance) const;
  void measure_nearest(std::size_t query, std::size_t count);
  void prove_by_measured(State& state) const;
  static void drop_beyond(State& state);

  std::uint32_t k_;
  const ExactRows& exact_;
  std::vector<State> states_;
  std::vector<std::int8_t> signed_codes_, low_codes_;  // of all queries, one after the other; see ScanQuery
  std::size_t length_ = 0;
};

}  // namespace nestor::index
