// Perplexity of a language model alone and as a kNN-LM, its neighbours found exactly and through the ladder;
// and how many tokens a second the lookups serve. Fails (status 1) when the figures of knnlm-dickens are not
// those of its README, or when lookup() and the figures' own arithmetic disagree.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include "bench/arguments.h"
#include "bench/bench_database.h"
#include "bench/data_set.h"
#include "bench/language_model.h"
#include "bench/policies.h"
#include "bench/table.h"
#include "index/error.h"
#include "index/knn_lm.h"

namespace {

using namespace nestor;
using namespace nestor::bench;

constexpr std::uint32_t kDepths[] = {64, 1024};
constexpr std::size_t kTimedExact = 256, kTimedLadder = 2000;

// README of knnlm-dickens: perplexity of queries 2000..9999 and the T and lambda it was found at.
struct Reference {
  const char* policy;
  std::uint32_t k;
  double perplexity;
  Mixture mixture;
};
constexpr Reference kReferences[] = {{"LM alone", 0, 105.57, {1, 0}},
                                     {"exact 256", 64, 77.00, {5, 0.35}},
                                     {"exact 256", 1024, 64.22, {3.99, 0.55}},
                                     {"exact 64", 64, 79.08, {2.41, 0.3}},
                                     {"exact 64", 1024, 65.94, {2.02, 0.55}}};
constexpr double kTolerance = 0.02;  // it rounds perplexity to 0.01 and T to three digits

class PerplexityBench {
 public:
  PerplexityBench(const index::Collection& collection, const LanguageModelRun& run, const DataSetFiles& files,
                  unsigned threads, Table& table)
      : collection_(collection), run_(run), threads_(threads), table_(table) {
    has_reference_ = files.name == "dickens" && run.count() == 10000;
  }

  bool run() {
    const std::uint32_t dim = run_.queries.dim;
    const Neighbourhoods exact = search(exact_policy(dim), 1024);
    add_language_model(exact);
    for (const std::uint32_t k : kDepths) add(exact_policy(dim), exact, exact, k);
    const Neighbourhoods narrow = search(exact_policy(64), 1024);
    for (const std::uint32_t k : kDepths) add(exact_policy(64), narrow, exact, k);
    for (const std::uint32_t k : kDepths)
      for (const Policy& policy : lookup_policies(rungs_of(collection_.options()), k))
        add(policy, search(policy, k), exact, k);
    return good_;
  }

 private:
  Neighbourhoods search(const Policy& policy, std::uint32_t k) const {
    std::fprintf(stderr, "searching: %s, k = %u, %zu queries\n", policy.name.c_str(), k, run_.count());
    index::SearchOptions options = policy.options;
    options.k = k;
    return Neighbourhoods::search(collection_, run_, options, threads_);
  }

  void add_language_model(const Neighbourhoods& exact) {
    const Perplexity p = perplexity(exact, run_, 1, {1, 0});
    lm_perplexity_ = p.all;
    table_.add({"LM alone", "-", "-", fixed(p.all, 2), "-", fixed(p.known_words, 2), "-", "-", "-", "-", "-", "-",
                reference("LM alone", 0, exact)});
  }

  void add(const Policy& policy, const Neighbourhoods& found, const Neighbourhoods& exact, std::uint32_t k) {
    const Mixture mixture = tune(found, run_, k);
    const Perplexity p = perplexity(found, run_, k, mixture);
    index::LookupOptions lookup;
    lookup.search = policy.options;
    lookup.search.k = k;
    lookup.temperature = mixture.temperature;
    compare_with_lookup(lookup, found, policy.name);
    const std::size_t timed = policy.options.exact ? kTimedExact : kTimedLadder;
    table_.add({policy.name, std::to_string(k), fixed(found.recall_against(exact, k), 4), fixed(p.all, 2),
                fixed(100 * (p.all / lm_perplexity_ - 1), 1) + " %", fixed(p.known_words, 2),
                fixed(mixture.temperature, 2), fixed(mixture.lambda, 2), fixed(100 * p.target_found, 1) + " %",
                grouped(found.coordinates_per_query()), fixed(tokens_per_second(lookup, timed, 1), 0),
                fixed(tokens_per_second(lookup, timed, threads_), 0), reference(policy.name, k, found)});
  }

  // The product's own distribution must hold the same probability for the target as the figures use.
  void compare_with_lookup(const index::LookupOptions& options, const Neighbourhoods& found, const std::string& name) {
    const std::size_t count = std::min<std::size_t>(20, run_.count());
    const auto results = index::lookup(collection_, first_queries(count), count, options, threads_);
    for (std::size_t q = 0; q < count; ++q) {
      double probability = 0;
      for (const index::TokenProbability& token : results[q].tokens)
        if (token.token == run_.targets[q]) probability = token.probability;
      const double expected = found.target_probability(q, options.search.k, options.temperature);
      if (std::abs(probability - expected) <= 1e-6) continue;
      std::cerr << name << ", k = " << options.search.k << ", query " << q << ": lookup says " << probability
                << " for the next token, its neighbours say " << expected << '\n';
      good_ = false;
    }
  }

  double tokens_per_second(const index::LookupOptions& options, std::size_t wanted, unsigned threads) const {
    const std::size_t count = std::min(wanted, run_.count());
    const auto start = std::chrono::steady_clock::now();
    index::lookup(collection_, first_queries(count), count, options, threads);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return static_cast<double>(count) / seconds.count();
  }

  std::span<const float> first_queries(std::size_t count) const {
    return {run_.queries.values.data(), count * run_.queries.dim};
  }

  // "OURS / ITS", both at the T and lambda of the README: what is compared does not hang on the grid.
  std::string reference(const std::string& policy, std::uint32_t k, const Neighbourhoods& found) {
    for (const Reference& one : kReferences) {
      if (!has_reference_ || policy != one.policy || k != one.k) continue;
      const double ours = perplexity(found, run_, k, one.mixture).all;
      if (std::abs(ours - one.perplexity) > kTolerance) good_ = false;
      return fixed(ours, 2) + " / " + fixed(one.perplexity, 2);
    }
    return "-";
  }

  const index::Collection& collection_;
  const LanguageModelRun& run_;
  unsigned threads_;
  Table& table_;
  bool has_reference_ = false;
  double lm_perplexity_ = 0;
  bool good_ = true;
};

int run(const Arguments& arguments) {
  bool good = true;
  for (const DataSetFiles& files : find_data_sets(arguments)) {
    if (files.targets.empty()) continue;
    BenchDatabase database(arguments);
    const auto collection = database.collection(files, index::Rotation::none, load_matrix(files.keys));
    const LanguageModelRun queries = load_language_model_run(files, arguments.queries);
    if (queries.tuned == 0) throw index::Error(index::ErrorCode::invalid_argument, "at least 5 queries are needed");
    std::cout << files.name << ": " << collection->count() << " keys x " << queries.queries.dim << ", "
              << queries.count() << " queries: T and lambda tuned on 0.." << queries.tuned - 1 << ", figures of "
              << queries.tuned << ".." << queries.count() - 1 << "\n\n";
    Table table({"neighbours by", "k", "recall", "perplexity", "change", "without <unk>", "T", "lambda", "target found",
                 "multiply-adds", "tokens/s, 1 thread", "tokens/s, all", "ours / README"});
    PerplexityBench bench(*collection, queries, files, arguments.threads, table);
    good &= bench.run();
    table.print(std::cout);
    std::cout << "\nrecall: share of the exact k nearest found. target found: the next token is among the k values.\n"
                 "tokens/s: whole lookups, neighbours and distribution, in batches of 256. ours / README: perplexity "
                 "at the T\n"
                 "and lambda of the data set's README, and its own figure.\n\n";
    if (arguments.csv) {
      std::ofstream file(*arguments.csv);
      table.write_csv(file);
      if (!file.flush())
        throw index::Error(index::ErrorCode::permission_denied, "cannot write " + arguments.csv->string());
    }
  }
  if (!good) std::cerr << "knnlm_perplexity: the figures do not agree, see above\n";
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse_arguments(argc, argv,
                               "knnlm_perplexity: a language model alone, with exact and with approximate neighbours"));
  } catch (const std::exception& error) {
    std::cerr << "knnlm_perplexity: " << error.what() << '\n';
    return 1;
  }
}
