#include "index/knn_lm.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "index/error.h"
#include "index/parallel.h"

namespace nestor::index {
namespace {

// Queries that one thread answers together: answers of 1024 hits each are held for one block a thread, and an exact
// scan reads the rows once for a block.
constexpr std::size_t kBlock = 16;
constexpr std::uint32_t kFirstNeighbours = 32;  // of an adaptive search

void check(const Collection& collection, std::span<const float> queries, std::size_t count,
           const LookupOptions& options) {
  check_temperature(options.temperature);
  if (count == 0 ? !queries.empty() : queries.size() % count != 0)
    throw Error(ErrorCode::invalid_argument,
                std::to_string(queries.size()) + " values are not " + std::to_string(count) + " queries of one length");
  if (!(options.eta >= 0 && options.eta < 1))
    throw Error(ErrorCode::invalid_argument, "eta must lie in 0..1 (1 excluded), got " + std::to_string(options.eta));
  if (options.search.k < 1 || options.search.k > kMaxNeighbours)
    throw Error(ErrorCode::invalid_argument,
                "k " + std::to_string(options.search.k) + " is out of range 1.." + std::to_string(kMaxNeighbours));
  if (options.excluded_documents.empty()) return;
  if (options.excluded_documents.size() != count)
    throw Error(ErrorCode::invalid_argument, std::to_string(options.excluded_documents.size()) +
                                                 " documents to exclude are not one for each of " +
                                                 std::to_string(count) + " queries");
  if (options.columns == nullptr)
    throw Error(ErrorCode::invalid_argument, "collection " + collection.name() + " has no documents to exclude");
}

// What votes of one answer: hits with a value.
class Votes {
 public:
  Votes(const QueryResult& found, const LookupOptions& options) : options_(options) {
    const bool weighted = options.columns != nullptr && options.columns->has_weights();
    for (const Hit& hit : found.hits) {
      if (!hit.value) continue;
      distances_.push_back(hit.distance);
      values_.push_back(*hit.value);
      if (weighted) weights_.push_back(options.columns->weight(hit.slot));
    }
  }
  std::uint32_t count() const { return static_cast<std::uint32_t>(values_.size()); }
  VotingNeighbours neighbours() const {
    return {distances_, values_, weights_, options_.temperature, options_.weight_mode};
  }

 private:
  const LookupOptions& options_;
  std::vector<float> distances_, weights_;
  std::vector<std::uint32_t> values_;
};

// One query's answer as it is handed on.
struct Answer {
  std::size_t query = 0;
  QueryResult& found;
  const Votes& votes;
  std::uint32_t searched = 0;
  double bound = 0;
};
using Visit = std::function<void(const Answer&)>;

// Finds the neighbours of many queries over threads, a block at a time.
class NeighbourRun {
 public:
  NeighbourRun(const Collection& collection, std::span<const float> queries, std::size_t count,
               const LookupOptions& options, bool with_ids)
      : collection_(collection),
        queries_(queries),
        length_(count == 0 ? 0 : queries.size() / count),
        options_(options),
        with_ids_(with_ids),
        points_(collection.count()) {}

  // Calls visit once for each of `wanted`, from several threads.
  void run(std::span<const std::size_t> wanted, unsigned threads, const Visit& visit) const {
    parallel_blocks(wanted.size(), kBlock, threads, [&](std::size_t first, std::size_t last) {
      answer({wanted.begin() + static_cast<std::ptrdiff_t>(first), wanted.begin() + static_cast<std::ptrdiff_t>(last)},
             visit);
    });
  }

  // Neighbours of some queries, in their order. REQUIRES: ascending.
  std::vector<QueryResult> search(std::span<const std::size_t> wanted, std::uint32_t k) const {
    if (options_.excluded_documents.empty()) return search_all(wanted, k, {});
    std::map<std::uint64_t, std::vector<std::size_t>> by_document;  // positions in `wanted`
    for (std::size_t i = 0; i < wanted.size(); ++i) by_document[options_.excluded_documents[wanted[i]]].push_back(i);
    std::vector<QueryResult> results(wanted.size());
    for (const auto& [document, positions] : by_document) {
      std::vector<std::size_t> group;
      for (const std::size_t i : positions) group.push_back(wanted[i]);
      const std::vector<std::uint64_t> allowed = without(document);
      auto found = search_all(group, k, allowed);
      for (std::size_t i = 0; i < positions.size(); ++i) results[positions[i]] = std::move(found[i]);
    }
    return results;
  }

 private:
  void answer(std::vector<std::size_t> wanted, const Visit& visit) const {
    const bool adaptive = options_.eta > 0;
    // Queries that are still open, by how many neighbours they ask for next.
    std::map<std::uint32_t, std::vector<std::size_t>> open;
    open[adaptive ? std::min(kFirstNeighbours, options_.search.k) : options_.search.k] = std::move(wanted);
    while (!open.empty()) {
      const std::uint32_t k = open.begin()->first;
      std::vector<std::size_t> asking = std::move(open.begin()->second);
      open.erase(open.begin());
      std::sort(asking.begin(), asking.end());  // they come from searches for several k
      std::vector<QueryResult> found = search(asking, k);
      for (std::size_t i = 0; i < found.size(); ++i) {
        const Votes votes(found[i], options_);
        const double bound = adaptive ? bound_of(found[i], votes, k) : 0;
        if (bound > options_.eta && k < options_.search.k)
          open[next_neighbours(found[i], votes, k)].push_back(asking[i]);
        else
          visit({asking[i], found[i], votes, k, bound});
      }
    }
  }

  // The smallest doubling of k that is likely to do, else all. Every search begins anew, so one that is bound to fail
  // is dear: doubling step by step cost 2.5 times a plain search where the distribution is flat. Distances go on to
  // grow by as much per doubling as between the nearer half and all of those found.
  std::uint32_t next_neighbours(const QueryResult& found, const Votes& votes, std::uint32_t k) const {
    const float farthest = found.hits.back().distance, step = farthest - found.hits[k / 2 - 1].distance;
    float expected = farthest;
    for (std::uint64_t next = 2 * std::uint64_t{k}; next < options_.search.k; next *= 2) {
      expected += step;
      const double left = std::min<double>(options_.search.k, static_cast<double>(points_)) - static_cast<double>(next);
      if (omitted_mass_bound(votes.neighbours(), left, expected, heaviest()) <= options_.eta)
        return static_cast<std::uint32_t>(next);
    }
    return options_.search.k;
  }

  float heaviest() const { return options_.columns != nullptr ? options_.columns->max_weight() : 1.0f; }

  double bound_of(const QueryResult& found, const Votes& votes, std::uint32_t k) const {
    if (found.hits.size() < k) return 0;  // there are no more
    const double all = std::min<double>(options_.search.k, static_cast<double>(points_));
    return omitted_mass_bound(votes.neighbours(), all - k, found.hits.back().distance, heaviest());
  }

  std::vector<QueryResult> search_all(std::span<const std::size_t> wanted, std::uint32_t k,
                                      std::span<const std::uint64_t> allowed) const {
    SearchOptions search = options_.search;
    search.k = k;
    search.with_ids = with_ids_;
    if (!allowed.empty()) {
      search.allowed_slots = allowed;
      search.allowed_numbering = options_.columns->numbering();
    }
    std::vector<QueryResult> found = search_batch(wanted, search);
    if (options_.columns != nullptr && options_.columns->numbering() != 0)
      for (const QueryResult& one : found)
        if (one.numbering != options_.columns->numbering()) compacted_meanwhile();
    return found;
  }

  [[noreturn]] static void compacted_meanwhile() {
    throw Error(ErrorCode::unavailable, "the collection was compacted during the lookup; try again");
  }

  std::vector<QueryResult> search_batch(std::span<const std::size_t> wanted, const SearchOptions& search) const {
    if (wanted.size() == wanted.back() - wanted.front() + 1)  // neighbours in the input as well
      return collection_.search_batch(queries_.subspan(wanted.front() * length_, wanted.size() * length_),
                                      wanted.size(), search, 1);
    std::vector<float> gathered;
    gathered.reserve(wanted.size() * length_);
    for (const std::size_t q : wanted) {
      const auto one = queries_.subspan(q * length_, length_);
      gathered.insert(gathered.end(), one.begin(), one.end());
    }
    return collection_.search_batch(gathered, wanted.size(), search, 1);
  }

  // All slots but those of a document; empty where nothing is excluded.
  std::vector<std::uint64_t> without(std::uint64_t document) const {
    const auto excluded = options_.columns->slots_of(document);
    if (excluded.empty()) return {};
    const std::uint64_t numbering = options_.search.allowed_numbering;
    if (numbering != 0 && numbering != options_.columns->numbering()) compacted_meanwhile();
    std::vector<std::uint64_t> allowed(options_.search.allowed_slots.begin(), options_.search.allowed_slots.end());
    if (allowed.empty()) allowed.assign(options_.columns->next_slot() / 64 + 1, ~std::uint64_t{0});
    for (const Slot slot : excluded)
      if (slot / 64 < allowed.size()) allowed[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    return allowed;
  }

  const Collection& collection_;
  std::span<const float> queries_;
  std::size_t length_;
  const LookupOptions& options_;
  bool with_ids_;
  std::uint64_t points_;
};

std::vector<std::size_t> all_of(std::size_t count) {
  std::vector<std::size_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

float lambda_of(const ScoreTargets& targets, std::size_t query) {
  return targets.lambdas.size() == 1 ? targets.lambdas.front() : targets.lambdas[query];
}

void check(const ScoreTargets& targets, std::size_t count) {
  const auto fits = [&](std::size_t size, const char* what, bool one_will_do) {
    if (size == count || (one_will_do && size == 1)) return;
    throw Error(ErrorCode::invalid_argument, std::to_string(size) + " " + what + " for " + std::to_string(count) +
                                                 " queries; expected one per query" +
                                                 (one_will_do ? ", or one for all" : ""));
  };
  fits(targets.tokens.size(), "targets", false);
  fits(targets.lm_log_probabilities.size(), "language model log-probabilities", false);
  fits(targets.lambdas.size(), "lambdas", true);
  for (const float lambda : targets.lambdas)
    if (!(lambda >= 0 && lambda <= 1))
      throw Error(ErrorCode::invalid_argument, "lambda must lie in 0..1, got " + std::to_string(lambda));
  for (const float lm : targets.lm_log_probabilities)
    if (!(lm <= 1e-4f))  // NaN too; a rounding above 0 is no mistake
      throw Error(ErrorCode::invalid_argument,
                  "a language model's log-probability must be at most 0, got " + std::to_string(lm));
}

}  // namespace

std::vector<LookupResult> lookup(const Collection& collection, std::span<const float> queries, std::size_t count,
                                 const LookupOptions& options, unsigned threads) {
  check(collection, queries, count, options);
  std::vector<LookupResult> results(count);
  NeighbourRun(collection, queries, count, options, false).run(all_of(count), threads, [&](const Answer& answer) {
    LookupResult& result = results[answer.query];
    result.tokens = token_distribution(answer.votes.neighbours());
    if (options.top != 0 && result.tokens.size() > options.top) result.tokens.resize(options.top);
    result.neighbours = answer.votes.count();
    result.searched = answer.searched;
    result.total_variation_bound = answer.bound;
    result.stages = std::move(answer.found.stages);
    result.certification = std::move(answer.found.certification);
  });
  return results;
}

std::vector<TokenScore> score(const Collection& collection, std::span<const float> queries, std::size_t count,
                              const ScoreTargets& targets, const LookupOptions& options, unsigned threads) {
  check(collection, queries, count, options);
  check(targets, count);
  std::vector<TokenScore> scores(count);
  std::vector<std::size_t> wanted;
  for (std::size_t q = 0; q < count; ++q) {
    scores[q].knn_log_probability = kAbsentLogProbability;
    scores[q].log_probability = std::max<double>(targets.lm_log_probabilities[q], kAbsentLogProbability);
    if (lambda_of(targets, q) > 0) wanted.push_back(q);
  }
  NeighbourRun(collection, queries, count, options, false).run(wanted, threads, [&](const Answer& answer) {
    const std::size_t q = answer.query;
    const double knn = token_log_probability(answer.votes.neighbours(), targets.tokens[q]);
    TokenScore& one = scores[q];
    one.log_probability = std::max(mixed_log_probability(knn, targets.lm_log_probabilities[q], lambda_of(targets, q)),
                                   kAbsentLogProbability);
    one.knn_log_probability = std::max(knn, kAbsentLogProbability);
    one.neighbours = answer.votes.count();
    one.searched = answer.searched;
    one.total_variation_bound = answer.bound;
  });
  return scores;
}

std::vector<QueryResult> neighbours(const Collection& collection, std::span<const float> queries, std::size_t count,
                                    const LookupOptions& options, unsigned threads) {
  check(collection, queries, count, options);
  std::vector<QueryResult> results(count);
  const NeighbourRun run(collection, queries, count, options, true);
  const std::vector<std::size_t> all = all_of(count);
  parallel_blocks(count, kBlock, threads, [&](std::size_t first, std::size_t last) {
    auto found = run.search(std::span(all).subspan(first, last - first), options.search.k);
    std::move(found.begin(), found.end(), results.begin() + static_cast<std::ptrdiff_t>(first));
  });
  return results;
}

}  // namespace nestor::index
