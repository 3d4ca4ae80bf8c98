// nestor eval: how good a ranking is, given what is relevant.
#include <algorithm>
#include <charconv>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/cli/commands.h"
#include "client/cli/judgements.h"
#include "client/cli/text.h"
#include "index/error.h"
#include "index/ranking_metrics.h"

namespace nestor::client {

namespace {

struct Arguments {
  std::string run, qrels;
  std::string metrics = "ndcg@10,mrr@10,precision@10,recall@100,ap";
  std::optional<std::uint64_t> random_ties;
  bool per_query = false, json = false;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor eval --run run.trec --qrels qrels.txt\n"
    "  nestor eval --run results.json --qrels qrels/test.tsv --metrics ndcg@10,recall@100 --per-query\n"
    "\n"
    "Runs: TREC (query Q0 document rank score tag) or BEIR's JSON {query: {document: score}}.\n"
    "Qrels: TREC (query iteration document grade), BEIR's TSV (query-id corpus-id score) or JSON.\n"
    "Metrics: ndcg, dcg, mrr, precision, recall, ap, opa, each with @CUTOFF or without, as Rax defines them:\n"
    "precision divides by what was returned, ap by all that is relevant, relevant means a grade of at least 1.\n"
    "Documents without a grade count as 0. Every query of the qrels counts; one that the run lacks scores 0.\n"
    "Equal scores: the smaller document id first, numbers before words.";

struct Measure {
  std::string name;
  index::RankingMetric metric;
  index::RankingRules rules;
};

std::vector<Measure> parse_measures(const Arguments& arguments) {
  std::vector<Measure> measures;
  std::string_view rest = arguments.metrics;
  while (true) {
    const std::string_view name = rest.substr(0, rest.find(','));
    const std::size_t at = name.find('@');
    Measure measure{std::string(name), index::parse_ranking_metric(name.substr(0, at)), {{}, arguments.random_ties}};
    if (at != std::string_view::npos) {
      std::size_t cutoff = 0;
      const auto [end, error] = std::from_chars(name.data() + at + 1, name.data() + name.size(), cutoff);
      if (error != std::errc() || end != name.data() + name.size() || cutoff == 0)
        throw index::Error(index::ErrorCode::invalid_argument,
                           "--metrics: the cutoff of \"" + measure.name + "\" is not a positive number");
      measure.rules.cutoff = cutoff;
    }
    measures.push_back(std::move(measure));
    if (name.size() == rest.size()) return measures;
    rest.remove_prefix(name.size() + 1);
  }
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

bool smaller_id(const std::string& a, const std::string& b) {
  if (is_number(a) != is_number(b)) return is_number(a);
  if (!is_number(a)) return a < b;
  const auto value = [](const std::string& text) {
    return std::string_view(text).substr(std::min(text.find_first_not_of('0'), text.size()));
  };
  const std::string_view x = value(a), y = value(b);
  return x.size() != y.size() ? x.size() < y.size() : x < y;
}

// One query: what was returned, by id so that ties fall to the smaller one, then what was missed.
struct Topic {
  std::vector<double> scores, labels;

  Topic(std::vector<std::pair<std::string, double>> returned,
        const std::vector<std::pair<std::string, double>>& graded) {
    std::map<std::string_view, double> grades(graded.begin(), graded.end());
    std::sort(returned.begin(), returned.end(),
              [](const auto& a, const auto& b) { return smaller_id(a.first, b.first); });
    for (const auto& [document, score] : returned) {
      const auto grade = grades.extract(document);
      scores.push_back(score);
      labels.push_back(grade.empty() ? 0 : grade.mapped());
    }
    for (const auto& [document, grade] : grades) {
      scores.push_back(-std::numeric_limits<double>::infinity());
      labels.push_back(grade);
    }
  }
};

struct Table {
  std::vector<std::string> queries;
  std::vector<std::vector<double>> values;  // [query][measure]
  std::size_t without_run = 0, unjudged = 0;

  double mean(std::size_t measure) const {
    double sum = 0;
    for (const auto& row : values) sum += row[measure];
    return sum / static_cast<double>(values.size());
  }
};

Table evaluate(const Judgements& run, const Judgements& qrels, const std::vector<Measure>& measures) {
  Table table;
  for (const auto& [query, graded] : qrels) {
    const auto returned = run.find(query);
    if (returned == run.end()) ++table.without_run;
    const Topic topic(returned == run.end() ? std::vector<std::pair<std::string, double>>() : returned->second, graded);
    std::vector<double> row;
    for (const Measure& m : measures) row.push_back(ranking_metric(m.metric, {topic.scores, topic.labels}, m.rules));
    table.queries.push_back(query);
    table.values.push_back(std::move(row));
  }
  for (const auto& entry : run) table.unjudged += !qrels.contains(entry.first);
  return table;
}

void print_text(const Arguments& arguments, const std::vector<Measure>& measures, const Table& table) {
  std::vector<std::string> header{"query"};
  for (const Measure& m : measures) header.push_back(">" + m.name);
  TextTable text(header);
  const auto add = [&](const std::string& name, const auto& value_of) {
    std::vector<std::string> row{name};
    for (std::size_t m = 0; m < measures.size(); ++m) row.push_back(fixed(value_of(m), 5));
    text.add(std::move(row));
  };
  for (std::size_t q = 0; arguments.per_query && q < table.queries.size(); ++q)
    add(table.queries[q], [&](std::size_t m) { return table.values[q][m]; });
  add("mean", [&](std::size_t m) { return table.mean(m); });
  text.print(std::cout);
  std::cout << table.queries.size() << " queries";
  if (table.without_run != 0) std::cout << ", " << table.without_run << " of them not in the run: they score 0";
  if (table.unjudged != 0)
    std::cout << "; " << table.unjudged << " queries of the run are not in the qrels and left out";
  std::cout << '\n';
}

void print_json(const Arguments& arguments, const std::vector<Measure>& measures, const Table& table) {
  nlohmann::json mean = nlohmann::json::object(), queries = nlohmann::json::object();
  for (std::size_t m = 0; m < measures.size(); ++m) mean[measures[m].name] = table.mean(m);
  for (std::size_t q = 0; arguments.per_query && q < table.queries.size(); ++q)
    for (std::size_t m = 0; m < measures.size(); ++m) queries[table.queries[q]][measures[m].name] = table.values[q][m];
  nlohmann::json json = {{"mean", mean},
                         {"queries", table.queries.size()},
                         {"without_run", table.without_run},
                         {"unjudged", table.unjudged}};
  if (arguments.per_query) json["per_query"] = queries;
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

void run(const Arguments& arguments) {
  const std::vector<Measure> measures = parse_measures(arguments);
  const Judgements qrels = read_qrels(arguments.qrels);
  const Table table = evaluate(read_run(arguments.run), qrels, measures);
  if (arguments.json)
    print_json(arguments, measures, table);
  else
    print_text(arguments, measures, table);
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("eval", "Ranking metrics of a run, given what is relevant");
  command->footer(kExamples);
  command->add_option("--run", arguments->run, "What was returned: TREC or BEIR")->type_name("FILE")->required();
  command->add_option("--qrels", arguments->qrels, "What is relevant: TREC or BEIR")->type_name("FILE")->required();
  command->add_option("--metrics", arguments->metrics, "Which metrics, with cutoffs")
      ->type_name("METRIC@N,...")
      ->capture_default_str();
  command->add_option("--random-ties", arguments->random_ties, "Equal scores in random order, by this seed")
      ->type_name("SEED");
  command->add_flag("--per-query", arguments->per_query, "One line per query too");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
