// nestor lookup: kNN-LM, the distribution of the next token by the nearest keys.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/query_rows.h"
#include "client/cli/search_arguments.h"
#include "client/cli/text.h"
#include "client/cli/vocabulary.h"
#include "index/error.h"
#include "index/knn_lm.h"
#include "storage/import/value_source.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

struct Arguments {
  DataArguments data;
  std::string collection, vocabulary, targets;
  QueryArguments queries;
  SearchArguments search;
  double temperature = 1.0;
  std::uint32_t top = 10;
  bool json = false;

  Arguments() { search.k = 1024; }
};

constexpr std::size_t kBarWidth = 40;
constexpr std::uint64_t kContextWords = 10;

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor lookup --collection wiki --queries states.npy --row 7 --vocab vocab.txt --temperature 5\n"
    "  nestor lookup --collection wiki --queries states.npy --rows 0:3 --targets next.npy --vocab vocab.txt\n"
    "      shows the words before each query and marks the one that really came next\n"
    "  nestor lookup --collection wiki --queries states.npy --rows 0:100 --top 0 --json > p.json\n"
    "\n"
    "p(token) is proportional to the sum of exp(-d / temperature) over the k nearest keys that were\n"
    "followed by the token; d is the squared distance for l2, minus the product for dot, 1 - cosine for\n"
    "cosine. The best temperature depends on the model: tune it on held-out text.";

// The tokens that really came next: the next one marks the answer, those before are the context.
struct Targets {
  std::vector<std::uint32_t> tokens;  // of the rows first..last
  std::uint64_t first = 0;

  bool has(std::uint64_t row) const { return row >= first && row < first + tokens.size(); }
  std::uint32_t at(std::uint64_t row) const { return tokens[row - first]; }
};

Targets load_targets(const std::string& path, const QueryRows& queries) {
  Targets targets;
  if (path.empty()) return targets;
  const auto source = storage::open_value_source(path);
  if (source->columns() != 1 || source->rows() != queries.file_rows) {
    throw Error(ErrorCode::invalid_argument,
                path + " holds [" + std::to_string(source->rows()) + " x " + std::to_string(source->columns()) +
                    "] numbers; expected one per query, " + std::to_string(queries.file_rows));
  }
  targets.first = queries.first - std::min(queries.first, kContextWords);
  source->seek(targets.first);
  std::vector<std::int64_t> values;
  source->read_rows(queries.first + queries.count() - targets.first, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0 || values[i] > std::numeric_limits<std::uint32_t>::max()) {
      throw Error(ErrorCode::invalid_argument, path + ": row " + std::to_string(targets.first + i) + " holds " +
                                                   std::to_string(values[i]) + "; a token id is 0 to 4294967295");
    }
    targets.tokens.push_back(static_cast<std::uint32_t>(values[i]));
  }
  return targets;
}

std::string context_of(std::uint64_t row, const Targets& targets, const Vocabulary& vocabulary) {
  std::string text;
  for (std::uint64_t at = row - std::min(row, kContextWords); at < row; ++at) {
    if (targets.has(at)) text += (text.empty() ? "" : " ") + vocabulary.word(targets.at(at));
  }
  return text;
}

std::string bar(double probability) {
  return std::string(static_cast<std::size_t>(std::lround(probability * kBarWidth)), '#');
}

void print_result(const index::LookupResult& result, std::optional<std::uint32_t> target, std::uint32_t top,
                  const Vocabulary& vocabulary) {
  TextTable table({"token", ">probability", ""});
  std::size_t rank = 0;
  bool target_seen = !target;
  for (const index::TokenProbability& token : result.tokens) {
    ++rank;
    const bool is_target = target && token.token == *target;
    if (top != 0 && rank > top && !is_target) continue;
    target_seen = target_seen || is_target;
    std::string shown = bar(token.probability);
    if (is_target) shown += (shown.empty() ? "" : " ") + std::string("<- came next, rank ") + std::to_string(rank);
    table.add({vocabulary.word(token.token), fixed(token.probability, 4), shown});
  }
  if (!target_seen) table.add({vocabulary.word(*target), fixed(0, 4), "<- came next, not among the neighbours"});
  table.print(std::cout);
}

void print_text(const Arguments& arguments, const QueryRows& queries, const std::vector<index::LookupResult>& results,
                const index::Collection& collection, const Targets& targets, const Vocabulary& vocabulary) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::uint64_t row = queries.first + i;
    if (i > 0) std::cout << '\n';
    std::cout << "Row " << row << " of " << arguments.queries.path << ": " << results[i].neighbours << " neighbours, "
              << results[i].tokens.size() << " different tokens\n";
    const std::string context = context_of(row, targets, vocabulary);
    if (!context.empty()) std::cout << "  ... " << context << " ___\n";
    const auto target = targets.has(row) ? std::optional(targets.at(row)) : std::nullopt;
    print_result(results[i], target, arguments.top, vocabulary);
    if (arguments.search.explain) print_stages(std::cout, results[i].stages, collection.info());
  }
}

void print_json(const Arguments& arguments, const QueryRows& queries, const std::vector<index::LookupResult>& results,
                const Targets& targets, const Vocabulary& vocabulary) {
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::uint64_t row = queries.first + i;
    nlohmann::json tokens = nlohmann::json::array();
    for (const index::TokenProbability& token : results[i].tokens) {
      if (arguments.top != 0 && tokens.size() == arguments.top) break;
      nlohmann::json entry = {{"token", token.token}, {"probability", token.probability}};
      if (!vocabulary.empty()) entry["word"] = vocabulary.word(token.token);
      tokens.push_back(std::move(entry));
    }
    nlohmann::json query = {{"row", row}, {"neighbours", results[i].neighbours}, {"tokens", std::move(tokens)}};
    if (targets.has(row)) query["target"] = targets.at(row);
    if (arguments.search.explain) query["stages"] = to_json(results[i].stages);
    list.push_back(std::move(query));
  }
  std::cout << nlohmann::json{{"queries", std::move(list)}}.dump(2, ' ', false,
                                                                 nlohmann::json::error_handler_t::replace)
            << '\n';
}

void run(const Arguments& arguments) {
  if (!std::isfinite(arguments.temperature) || arguments.temperature <= 0) {
    throw Error(ErrorCode::invalid_argument, "--temperature must be a finite number above 0");
  }
  index::LookupOptions options;
  options.search = search_options(arguments.search);
  options.temperature = arguments.temperature;
  // All tokens are asked for: the one that came next is shown wherever it ranks.
  options.top = arguments.targets.empty() ? arguments.top : 0;
  const QueryRows queries = load_queries(arguments.queries, false);
  const Targets targets = load_targets(arguments.targets, queries);
  const Vocabulary vocabulary = arguments.vocabulary.empty() ? Vocabulary() : Vocabulary(arguments.vocabulary);
  const auto database = open_existing(arguments.data);
  const auto collection = database->collection(arguments.collection);
  check_dimension(queries, arguments.queries.path, *collection);

  const auto results = index::lookup(*collection, queries.vectors, queries.count(), options, arguments.search.threads);
  const bool none =
      std::all_of(results.begin(), results.end(), [](const auto& result) { return result.neighbours == 0; });
  if (none && collection->count() > 0) {
    throw Error(ErrorCode::failed_precondition,
                "collection \"" + arguments.collection + "\" holds no values; build it with --values next_tokens.npy");
  }
  if (arguments.json)
    print_json(arguments, queries, results, targets, vocabulary);
  else
    print_text(arguments, queries, results, *collection, targets, vocabulary);
}

}  // namespace

void add_lookup_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("lookup", "kNN-LM: the next token's distribution by the nearest keys");
  command->footer(kExamples);
  command->add_option("--collection", arguments->collection, "Datastore, built with --values")
      ->type_name("NAME")
      ->required();
  add_data_options(*command, arguments->data);
  add_query_options(*command, arguments->queries);
  command->add_option("--temperature", arguments->temperature, "Larger spreads the weight over more neighbours")
      ->type_name("T")
      ->capture_default_str();
  command->add_option("--top", arguments->top, "Tokens to show, 0 for all")->type_name("N")->capture_default_str();
  command->add_option("--vocab", arguments->vocabulary, "Words, one per line: line number from 0 = token id")
      ->type_name("FILE");
  command
      ->add_option("--targets", arguments->targets, "The token that really came next, one per query row (.npy, .ivecs)")
      ->type_name("FILE");
  add_search_options(*command, arguments->search);
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
