#pragma once
// Perplexity of a language model mixed with what a datastore's neighbours say (kNN-LM, Khandelwal et al.
// 2020): p(y) = lambda p_kNN(y) + (1 - lambda) p_LM(y), of the one token that came next.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/data_set.h"
#include "index/collection.h"

namespace nestor::bench {

// What the model was asked, what came next and how likely it thought that was.
struct LanguageModelRun {
  Matrix queries;
  std::vector<std::int64_t> targets;
  std::vector<float> lm_logprob;  // natural log
  std::size_t tuned = 0;          // T and lambda are chosen on queries 0..tuned-1, figures are of the others

  std::size_t count() const { return queries.rows; }
};

// The first `limit` queries (0: all); a fifth of them tunes, as the README of knnlm-dickens has it.
LanguageModelRun load_language_model_run(const DataSetFiles& files, std::size_t limit);

// The k nearest of every query, as much of them as perplexity needs.
class Neighbourhoods {
 public:
  // Asks for options.k neighbours of each query, in batches over `threads` threads (0: all cores).
  static Neighbourhoods search(const index::Collection& collection, const LanguageModelRun& run,
                               const index::SearchOptions& options, unsigned threads);

  std::size_t depth() const { return depth_; }
  // p_kNN(target) from the first `k` neighbours.
  double target_probability(std::size_t query, std::size_t k, double temperature) const;
  bool has_target(std::size_t query, std::size_t k) const;
  // Mean share of `exact`'s first k that is among our first k.
  double recall_against(const Neighbourhoods& exact, std::size_t k) const;
  double coordinates_per_query() const { return coordinates_; }

 private:
  struct Entry {
    float distance;
    std::uint32_t row : 31;
    std::uint32_t is_target : 1;
  };
  const Entry* of(std::size_t query) const { return entries_.data() + query * depth_; }

  std::size_t depth_ = 0;
  std::vector<Entry> entries_;        // [queries x depth_], nearest first
  std::vector<std::uint32_t> found_;  // neighbours of each query, at most depth_
  double coordinates_ = 0;
};

struct Mixture {
  double temperature = 0;
  double lambda = 0;
};

// The best of a grid on the tuning queries: T in steps of 2^(1/6) from 0.25 to 16, lambda of 0.05 to 0.95.
Mixture tune(const Neighbourhoods& neighbourhoods, const LanguageModelRun& run, std::size_t k);

struct Perplexity {
  double all = 0;
  double known_words = 0;   // over the targets that are not <unk>, token 0
  double target_found = 0;  // share of queries with the target among the k values
};

// On the queries that did not tune; target_found on all. lambda 0 is the language model alone.
Perplexity perplexity(const Neighbourhoods& neighbourhoods, const LanguageModelRun& run, std::size_t k,
                      const Mixture& mixture);

}  // namespace nestor::bench
