#include "bench/language_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "index/error.h"

namespace nestor::bench {
namespace {

constexpr std::size_t kBatch = 256;  // answers of 1024 hits held at once

double log_mixture(double p_knn, double lm_logprob, double lambda) {
  return std::log(lambda * p_knn + (1 - lambda) * std::exp(lm_logprob));
}

}  // namespace

LanguageModelRun load_language_model_run(const DataSetFiles& files, std::size_t limit) {
  LanguageModelRun run;
  run.queries = load_matrix(files.queries, 1, limit);
  run.targets = load_integers(files.targets);
  run.lm_logprob = load_floats(files.lm_logprob);
  if (run.targets.size() < run.count() || run.lm_logprob.size() < run.count())
    throw index::Error(index::ErrorCode::invalid_argument, files.targets.string() + " is shorter than the queries");
  run.tuned = run.count() / 5;
  return run;
}

Neighbourhoods Neighbourhoods::search(const index::Collection& collection, const LanguageModelRun& run,
                                      const index::SearchOptions& options, unsigned threads) {
  Neighbourhoods result;
  result.depth_ = options.k;
  result.entries_.resize(run.count() * options.k);
  result.found_.resize(run.count());
  index::SearchOptions explained = options;
  explained.explain = true;
  for (std::size_t first = 0; first < run.count(); first += kBatch) {
    const std::size_t size = std::min(kBatch, run.count() - first);
    const std::span<const float> batch(run.queries.values.data() + first * run.queries.dim, size * run.queries.dim);
    const auto answers = collection.search_batch(batch, size, explained, threads);
    for (std::size_t i = 0; i < size; ++i) {
      Entry* entry = result.entries_.data() + (first + i) * result.depth_;
      for (const index::Hit& hit : answers[i].hits)
        *entry++ = {hit.distance, static_cast<std::uint32_t>(hit.id.low & 0x7FFFFFFF),
                    hit.value && *hit.value == run.targets[first + i]};
      result.found_[first + i] = static_cast<std::uint32_t>(answers[i].hits.size());
      for (const index::StageReport& stage : answers[i].stages)
        result.coordinates_ += static_cast<double>(stage.coordinates_read);
    }
  }
  result.coordinates_ /= static_cast<double>(run.count());
  return result;
}

double Neighbourhoods::target_probability(std::size_t query, std::size_t k, double temperature) const {
  const std::size_t count = std::min<std::size_t>(k, found_[query]);
  const Entry* entries = of(query);
  double total = 0, target = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double weight = std::exp((double{entries[0].distance} - double{entries[i].distance}) / temperature);
    total += weight;
    if (entries[i].is_target) target += weight;
  }
  return total > 0 ? target / total : 0;
}

bool Neighbourhoods::has_target(std::size_t query, std::size_t k) const {
  const std::size_t count = std::min<std::size_t>(k, found_[query]);
  return std::any_of(of(query), of(query) + count, [](const Entry& entry) { return entry.is_target != 0; });
}

double Neighbourhoods::recall_against(const Neighbourhoods& exact, std::size_t k) const {
  double shares = 0;
  std::unordered_set<std::uint32_t> rows;
  for (std::size_t q = 0; q < found_.size(); ++q) {
    rows.clear();
    for (std::size_t i = 0; i < std::min<std::size_t>(k, found_[q]); ++i) rows.insert(of(q)[i].row);
    const std::size_t wanted = std::min<std::size_t>(k, exact.found_[q]);
    std::size_t hits = 0;
    for (std::size_t i = 0; i < wanted; ++i) hits += rows.count(exact.of(q)[i].row);
    shares += wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
  }
  return shares / static_cast<double>(found_.size());
}

Mixture tune(const Neighbourhoods& neighbourhoods, const LanguageModelRun& run, std::size_t k) {
  Mixture best;
  double best_sum = -std::numeric_limits<double>::infinity();
  std::vector<double> p_knn(run.tuned);
  for (int step = 0; step <= 36; ++step) {
    const double temperature = 0.25 * std::pow(2.0, step / 6.0);
    for (std::size_t q = 0; q < run.tuned; ++q) p_knn[q] = neighbourhoods.target_probability(q, k, temperature);
    for (int share = 1; share <= 19; ++share) {
      const double lambda = share * 0.05;
      double sum = 0;
      for (std::size_t q = 0; q < run.tuned; ++q) sum += log_mixture(p_knn[q], run.lm_logprob[q], lambda);
      if (sum > best_sum) {
        best_sum = sum;
        best = {temperature, lambda};
      }
    }
  }
  return best;
}

Perplexity perplexity(const Neighbourhoods& neighbourhoods, const LanguageModelRun& run, std::size_t k,
                      const Mixture& mixture) {
  double sum = 0, known_sum = 0;
  std::size_t known = 0, found = 0;
  for (std::size_t q = 0; q < run.count(); ++q) found += neighbourhoods.has_target(q, k) ? 1 : 0;
  for (std::size_t q = run.tuned; q < run.count(); ++q) {
    const double p = mixture.lambda == 0 ? 0 : neighbourhoods.target_probability(q, k, mixture.temperature);
    const double log_p = log_mixture(p, run.lm_logprob[q], mixture.lambda);
    sum += log_p;
    if (run.targets[q] == 0) continue;
    known_sum += log_p;
    ++known;
  }
  const auto count = static_cast<double>(run.count() - run.tuned);
  return {std::exp(-sum / count), std::exp(-known_sum / static_cast<double>(known)),
          static_cast<double>(found) / static_cast<double>(run.count())};
}

}  // namespace nestor::bench
