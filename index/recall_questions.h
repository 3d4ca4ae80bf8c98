#pragma once
// Questions with known answers: what a build measures its searches by. Rows of the collection, each hidden from its own
// search, or queries that the caller has.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/generation.h"
#include "index/ladder.h"
#include "index/options.h"

namespace nestor::index {

inline constexpr std::uint32_t kAskedNeighbours = 10, kAskedMany = 100;

struct RecallQuestions {
  struct Question {
    std::uint32_t row = kNoSlot;  // hidden; kNoSlot: a query
    std::vector<float> vector;    // dim values, as stored
    // Rows at most this far are right answers: the distances of the 10th and the 100th nearest, and a little for rounding.
    float within = 0, within_many = 0;
  };
  std::vector<Question> questions;
  std::vector<std::vector<std::uint32_t>> nearest;  // rows, the kAskedNeighbours nearest of each question
  double live_share = 1;
  bool answers_many = true;  // within_many counts among the rows asked
  // Estimated from how fast neighbours grow in number with distance (Levina & Bickel 2004); 0: not known (dot).
  double dimensions = 0;
};

// `wanted` live rows from all over the collection, or the first `wanted` of the queries [n x dim] where there are any,
// with their exact answers: a scan for each on `threads` threads.
RecallQuestions ask_exactly(const RowMatrix& rows, std::span<const std::uint32_t> live, const CollectionOptions& options,
                            std::span<const float> queries, std::size_t wanted, unsigned threads);

// A share found, with its 95 % interval: Wilson's, for as many independent answers as the spread between questions says.
struct MeasuredRecall {
  double recall = 1, low = 0, high = 1;
  std::size_t questions = 0;
  double unsure = 0;       // share of the questions that walks leave to a scan
  double evaluations = 0;  // rows that walks compared, a question
};

// Asks the first `count` questions by this plan; k: kAskedNeighbours or kAskedMany.
MeasuredRecall measure_recall(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
                              const RecallQuestions& asked, const LadderPlan& plan, std::uint32_t k, std::size_t count,
                              unsigned threads);

}  // namespace nestor::index
