// nestor search: nearest neighbours of rows of a file.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/cli/certificate_text.h"
#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/query_rows.h"
#include "client/cli/recall.h"
#include "client/cli/search_arguments.h"
#include "client/cli/text.h"
#include "client/cli/vocabulary.h"

namespace nestor::client {

namespace {

struct Arguments {
  DataArguments data;
  std::string collection, ground_truth, vocabulary;
  QueryArguments queries;
  SearchArguments search;
  bool json = false;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor search --collection books --queries q.npy --row 7 -k 5\n"
    "  nestor search --collection books --queries q.npy --row 7 --stages 64:100,256:10 --explain\n"
    "      walk the graph of width 64, re-rank its best 100 by all 256 coordinates, show the work\n"
    "  nestor search --collection books --queries q.npy --ground-truth gt.npy -k 10\n"
    "      recall@10 over all rows of q.npy, without listing neighbours (--row or --rows lists them too)\n"
    "  nestor search --collection books --queries q.npy --rows 0:100 --json > answers.json\n"
    "\n"
    "score: the similarity for cosine and dot (larger is nearer), the Euclidean distance for l2.";

struct Answers {
  std::vector<index::QueryResult> results;
  double seconds = 0;
  std::optional<double> recall;
};

bool lists_hits(const Arguments& arguments) {
  return arguments.ground_truth.empty() || arguments.queries.row || !arguments.queries.rows.empty();
}

void print_hits(const index::QueryResult& result, const Vocabulary& vocabulary) {
  const bool values =
      std::any_of(result.hits.begin(), result.hits.end(), [](const index::Hit& hit) { return hit.value; });
  TextTable table(values ? std::vector<std::string>{">#", ">id", ">score", vocabulary.empty() ? ">value" : "next token"}
                         : std::vector<std::string>{">#", ">id", ">score"});
  for (std::size_t i = 0; i < result.hits.size(); ++i) {
    const index::Hit& hit = result.hits[i];
    std::vector<std::string> row = {std::to_string(i + 1), to_string(hit.id), fixed(hit.score, 4)};
    if (hit.value) row.push_back(vocabulary.empty() ? std::to_string(*hit.value) : vocabulary.word(*hit.value));
    table.add(std::move(row));
  }
  table.print(std::cout);
}

void print_text(const Arguments& arguments, const QueryRows& queries, const Answers& answers,
                const index::Collection& collection, const Vocabulary& vocabulary) {
  const index::CollectionInfo info = collection.info();
  for (std::size_t i = 0; lists_hits(arguments) && i < answers.results.size(); ++i) {
    const index::QueryResult& result = answers.results[i];
    std::cout << "Row " << queries.first + i << " of " << arguments.queries.path << ": " << result.hits.size()
              << " nearest of " << with_commas(info.points) << "\n";
    print_hits(result, vocabulary);
    if (result.certification) std::cout << "  " << certification_text(*result.certification) << "\n";
    if (arguments.search.explain) print_stages(std::cout, result.stages, info);
    std::cout << '\n';
  }
  const std::size_t count = answers.results.size();
  std::cout << count << (count == 1 ? " query" : " queries") << " in " << fixed(1000 * answers.seconds, 2) << " ms\n";
  if (!lists_hits(arguments) && count > 0 && answers.results.front().certification)
    std::cout << certification_text(*answers.results.front().certification) << "\n";
  if (answers.recall) std::cout << "recall@" << arguments.search.k << " " << fixed(*answers.recall, 4) << "\n";
}

nlohmann::json hit_to_json(const index::Hit& hit, const Vocabulary& vocabulary) {
  nlohmann::json json = {{"score", hit.score}, {"distance", hit.distance}};
  if (hit.id.is_uuid)
    json["id"] = to_string(hit.id);
  else
    json["id"] = hit.id.low;
  if (hit.value) json["value"] = *hit.value;
  if (hit.value && !vocabulary.empty()) json["word"] = vocabulary.word(*hit.value);
  return json;
}

void print_json(const Arguments& arguments, const QueryRows& queries, const Answers& answers,
                const Vocabulary& vocabulary) {
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = 0; lists_hits(arguments) && i < answers.results.size(); ++i) {
    nlohmann::json hits = nlohmann::json::array();
    for (const index::Hit& hit : answers.results[i].hits) hits.push_back(hit_to_json(hit, vocabulary));
    nlohmann::json query = {{"row", queries.first + i}, {"hits", std::move(hits)}};
    if (answers.results[i].certification) query["certification"] = to_json(*answers.results[i].certification);
    if (arguments.search.explain) query["stages"] = to_json(answers.results[i].stages);
    list.push_back(std::move(query));
  }
  nlohmann::json json = {{"queries", std::move(list)}, {"count", answers.results.size()}, {"seconds", answers.seconds}};
  if (answers.recall) json["recall"] = *answers.recall;
  // A vocabulary need not be UTF-8; the output has to be.
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

void run(const Arguments& arguments) {
  const index::SearchOptions options = search_options(arguments.search);
  const QueryRows queries = load_queries(arguments.queries, !arguments.ground_truth.empty());
  std::optional<GroundTruth> truth;
  if (!arguments.ground_truth.empty()) truth.emplace(arguments.ground_truth, queries, options.k);
  const Vocabulary vocabulary = arguments.vocabulary.empty() ? Vocabulary() : Vocabulary(arguments.vocabulary);
  const auto database = open_existing(arguments.data);
  const auto collection = database->collection(arguments.collection);
  check_dimension(queries, arguments.queries.path, *collection);

  Answers answers;
  const auto begun = std::chrono::steady_clock::now();
  answers.results = collection->search_batch(queries.vectors, queries.count(), options, arguments.search.threads);
  answers.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  if (truth) answers.recall = truth->recall(answers.results, *collection);
  if (arguments.json)
    print_json(arguments, queries, answers, vocabulary);
  else
    print_text(arguments, queries, answers, *collection, vocabulary);
}

}  // namespace

void add_search_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("search", "Nearest neighbours of the rows of a file");
  command->footer(kExamples);
  command->add_option("--collection", arguments->collection, "Where to search")->type_name("NAME")->required();
  add_data_options(*command, arguments->data);
  add_query_options(*command, arguments->queries);
  add_search_options(*command, arguments->search);
  command
      ->add_option("--ground-truth", arguments->ground_truth,
                   "Exact neighbours of every query row (.npy or .ivecs of row numbers): prints recall@k")
      ->type_name("FILE");
  command
      ->add_option("--vocab", arguments->vocabulary,
                   "Words of the values, one per line: shows words instead of numbers")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
