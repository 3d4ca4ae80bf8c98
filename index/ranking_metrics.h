#pragma once
// Ranking metrics with the definitions that Rax's code has (github.com/google/rax), which differ from its words and
// from other tools in places said below. A list is n items with a score each (what ranks them) and a label each (what
// is true). Ranks count from 1: larger scores first, masked items last, ties in input order or shuffled by a seed. An
// item is retrieved when it is not masked, its score is above -infinity and its rank at most the cutoff. It is relevant
// when its label is at least 1. NaN in a list makes its value NaN. Labels below 0 count as 0, as in trec_eval: judges
// write them for what is not judged, or junk.
//
// Pure functions, thread-safe; O(n log n), opa O(n^2). Throw Error invalid_argument when lengths differ and
// for labels whose gain no double holds (ndcg needs their ratios alone and takes all but infinite ones).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace nestor::index {

struct RankingList {
  std::span<const double> scores;
  std::span<const double> labels;
  std::span<const std::uint8_t> mask = {};  // 0: the item does not exist; empty: all exist
  std::span<const double> weights = {};     // of gains in dcg and ndcg; empty: all 1
};

struct RankingRules {
  std::optional<std::size_t> cutoff;         // nullopt: none
  std::optional<std::uint64_t> random_ties;  // a seed: ties in random order; nullopt: input order
};

// mrr: the largest 1 / rank of a relevant retrieved item, 0 without one.
// precision: relevant retrieved items over retrieved items, not over the cutoff: a list shorter than the cutoff is not
//   punished.
// recall: relevant retrieved items over relevant items.
// average_precision: sum over relevant retrieved items of (relevant items ranked at or above it) / rank, over ALL
// relevant
//   items, not at most as many as the cutoff.
// dcg: sum over retrieved items of weight (2^label - 1) / log2(rank + 1). ndcg: over the dcg of the ideal order, 0
// where
//   that is 0.
// opa: share of pairs with different labels whose scores are in the same order; equal scores count as wrong, and the
//   cutoff is not used.
enum class RankingMetric : std::uint8_t { ndcg, dcg, mrr, precision, recall, average_precision, opa };

std::string_view to_string(RankingMetric metric);  // "ndcg", "dcg", "mrr", "precision", "recall", "ap", "opa"
RankingMetric parse_ranking_metric(std::string_view text);

// One list. 0 where the metric has nothing to divide by, or every item is masked.
double ranking_metric(RankingMetric metric, const RankingList& list, const RankingRules& rules = {});

// Mean over the lists that have an item that is not masked; 0 when there is none.
double mean_ranking_metric(RankingMetric metric, std::span<const RankingList> lists, const RankingRules& rules = {});

// 1-based ranks of the items.
std::vector<std::size_t> ranks(const RankingList& list, const std::optional<std::uint64_t>& random_ties = {});

}  // namespace nestor::index
