#pragma once
// Exact answers from a scan of codes: every row's code is compared with every query, rows that the code's error bound
// cannot exclude are ranked exactly. The answer is that of a scan of the rows themselves, bit for bit, at a quarter of
// the bytes and, for batches, several times faster (bench/kernels: scan).
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

// One scan of one batch. Not thread-safe.
class CodeScan {
 public:
  // queries of one ranking width; REQUIRES: ScanQuery::serves(). All arguments but k must outlive the scan.
  CodeScan(const Quantizer& quantizer, const CodeBound& bound, Metric metric,
           std::span<const PreparedQuery* const> queries, std::size_t dim, std::uint32_t k, const ExactRows& exact);

  // Looks at `rows` of a code matrix, ascending; errors: their error bytes by row. A row is known as first_number + row
  // to ExactRows and in the answer.
  void add(const CodeMatrix& codes, const std::uint8_t* errors, std::span<const std::uint32_t> rows,
           std::uint32_t first_number = 0);

  // The k nearest rows of one query, nearest first, ties to the smaller number. Once per query.
  std::vector<std::pair<float, std::uint32_t>> take(std::size_t query);

  std::uint64_t ranked_exactly(std::size_t query) const { return states_[query].ranked; }  // exact distances so far

 private:
  struct Found {
    std::int32_t key;
    std::uint32_t number;
    std::uint8_t error;
  };
  struct State {
    State(ScanQuery q, std::size_t room) : query(std::move(q)), cut_at(room) {}
    ScanQuery query;
    ScanQuery::KeyLimits limits;
    std::vector<Found> found;
    std::size_t cut_at;                                       // size of `found` at which to tighten
    double within = std::numeric_limits<double>::infinity();  // k rows are at most this far
    std::vector<std::pair<float, std::uint32_t>> measured;    // exact distances known
    std::uint64_t ranked = 0;
  };
  struct Scratch;

  void scan_block(const CodeMatrix& codes, const std::uint8_t* errors, std::span<const std::uint32_t> rows,
                  std::uint32_t first_number, Scratch& scratch);
  void compare_alone(const CodeMatrix& codes, std::span<const std::uint32_t> rows, Scratch& scratch) const;
  void compare_packed(const CodeMatrix& codes, std::span<const std::uint32_t> rows, Scratch& scratch) const;
  void tighten(State& state, std::size_t query);
  void measure_nearest(State& state, std::size_t query, std::size_t count);
  void limit_to_measured(State& state) const;
  static void limit(State& state, double distance);
  static void drop_beyond(State& state);

  std::uint32_t k_;
  const ExactRows& exact_;
  std::vector<State> states_;
  std::vector<std::int8_t> signed_codes_;  // of all queries, one after the other
  std::size_t length_ = 0;
};

}  // namespace nestor::index
