// nestor score: perplexity of a language model alone and mixed with a datastore's neighbours.
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/query_rows.h"
#include "client/cli/search_arguments.h"
#include "client/cli/text.h"
#include "index/error.h"
#include "storage/datastore.h"
#include "storage/import/value_source.h"
#include "storage/import/vector_source.h"

namespace nestor::client {
namespace {

using index::Error;
using index::ErrorCode;

struct Arguments {
  DataArguments data;
  std::string collection, targets, lm_log_probabilities;
  QueryArguments queries;
  SearchArguments search;
  double temperature = 1.0, eta = 0;
  float lambda = 0.25f;
  bool json = false;

  Arguments() { search.k = 1024; }
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor score --collection novel --queries queries.npy --targets next.npy --lm-logprobs lm.npy \\\n"
    "      --lambda 0.55 --temperature 4\n"
    "\n"
    "p = lambda p_kNN + (1 - lambda) p_LM of the token that came next; perplexity is exp(-mean log p). A model whose\n"
    "figure alone is not the one you know was not read as it was written: check types and rows first.";

std::vector<std::uint32_t> load_targets(const std::string& path, const QueryRows& queries) {
  const auto source = storage::open_value_source(path);
  if (source->columns() != 1 || source->rows() != queries.file_rows)
    throw Error(ErrorCode::invalid_argument,
                path + " holds [" + std::to_string(source->rows()) + " x " + std::to_string(source->columns()) +
                    "] numbers; expected one per query, " + std::to_string(queries.file_rows));
  source->seek(queries.first);
  std::vector<std::int64_t> values;
  source->read_rows(queries.count(), values);
  std::vector<std::uint32_t> targets;
  for (const std::int64_t value : values) {
    if (value < 0 || value >= index::kNoSlot)
      throw Error(ErrorCode::invalid_argument,
                  path + " holds " + std::to_string(value) + "; a token id is 0 to 4294967294");
    targets.push_back(static_cast<std::uint32_t>(value));
  }
  return targets;
}

// A .npy [rows] of floats.
std::vector<float> load_floats(const std::string& path, const QueryRows& queries) {
  storage::RowLayout layout = storage::read_layout(storage::InputFile(path));
  if (layout.columns != 1 || layout.rows != queries.file_rows)
    throw Error(ErrorCode::invalid_argument, path + " holds " + describe(layout) + "; expected one number per query, " +
                                                 std::to_string(queries.file_rows));
  layout.dimensions = 2;
  const auto source = storage::open_vector_source(path, layout);
  source->seek(queries.first);
  std::vector<float> numbers;
  source->read_rows(queries.count(), numbers);
  return numbers;
}

void run(const Arguments& arguments) {
  const QueryRows queries = load_queries(arguments.queries, true);
  const auto targets = load_targets(arguments.targets, queries);
  const auto lm = load_floats(arguments.lm_log_probabilities, queries);
  const auto database = open_existing(arguments.data);
  const auto kept = nlohmann::json::parse(database->attributes(arguments.collection), nullptr, false);
  storage::Datastore store(database->collection(arguments.collection));
  check_dimension(queries, arguments.queries.path, store.collection());
  storage::DatastoreQuery query;
  query.options.search = search_options(arguments.search);
  query.options.temperature = arguments.temperature;
  query.options.eta = arguments.eta;
  query.threads = arguments.search.threads;
  query.weights = kept.is_object() && kept.contains("datastore") && kept["datastore"].value("weights", false);
  const auto scores = store.score(queries.vectors, queries.count(), {targets, lm, {&arguments.lambda, 1}}, query);
  double alone = 0, mixed = 0, found = 0, searched = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    alone += lm[i];
    mixed += scores[i].log_probability;
    found += scores[i].knn_log_probability > index::kAbsentLogProbability ? 1 : 0;
    searched += scores[i].searched;
  }
  const auto count = static_cast<double>(scores.size());
  const double before = std::exp(-alone / count), after = std::exp(-mixed / count);
  if (arguments.json) {
    std::cout << nlohmann::json{{"queries", scores.size()},
                                {"lm_perplexity", before},
                                {"perplexity", after},
                                {"target_found", found / count},
                                {"neighbours", searched / count}}
                     .dump(2)
              << '\n';
    return;
  }
  std::cout << with_commas(scores.size()) << " tokens, lambda " << fixed(arguments.lambda, 3) << ", temperature "
            << fixed(arguments.temperature, 3) << "\n"
            << "  language model alone  " << fixed(before, 2) << "\n"
            << "  with neighbours       " << fixed(after, 2) << " (" << fixed(100 * (after / before - 1), 1) << " %)\n"
            << "  target among them     " << fixed(100 * found / count, 1) << " %, of " << fixed(searched / count, 0)
            << " neighbours a token\n";
}

}  // namespace

void add_score_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("score", "kNN-LM: perplexity with and without a datastore's neighbours");
  command->footer(kExamples);
  command->add_option("--collection", arguments->collection, "Datastore, built with --values")
      ->type_name("NAME")
      ->required();
  add_data_options(*command, arguments->data);
  add_query_options(*command, arguments->queries);
  command->add_option("--targets", arguments->targets, "The token that came next, one per query")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--lm-logprobs", arguments->lm_log_probabilities,
                   "Natural log of the model's probability of it (.npy)")
      ->type_name("FILE")
      ->required();
  command->add_option("--lambda", arguments->lambda, "Weight of the neighbours, 0 to 1")
      ->type_name("L")
      ->capture_default_str();
  command->add_option("--temperature", arguments->temperature, "Larger spreads the weight over more neighbours")
      ->type_name("T")
      ->capture_default_str();
  command->add_option("--eta", arguments->eta, "Fewer neighbours where the rest moves the distribution by less")
      ->type_name("E");
  add_search_options(*command, arguments->search);
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
