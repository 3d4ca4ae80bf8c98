// nestor calibrate: from a wanted recall to a certified policy. nestor certificates: what there is.
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/cli/certificate_text.h"
#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/exit_code.h"
#include "client/cli/progress.h"
#include "client/cli/query_rows.h"
#include "client/cli/text.h"
#include "index/calibrator.h"
#include "index/error.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

struct Arguments {
  DataArguments data;
  QueryArguments queries;
  std::string collection, encoder, test = "betting";
  std::vector<double> recalls;
  std::optional<double> tail, variation;
  double share = 0.05, temperature = 1, confidence = 0.95;
  std::uint32_t k = 10;
  std::uint64_t sample = 2000, seed = 42;
  unsigned threads = 0;
  bool expected = false, plain = false, dry_run = false, best_effort = false, json = false, drop = false;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor calibrate --collection books --queries q.npy --recall 0.95 --confidence 0.95\n"
    "  nestor calibrate --collection books --queries q.npy --recall 0.9,0.95,0.99 -k 20 --encoder e5-small\n"
    "  nestor calibrate --collection books --queries q.npy --tail 0.8 --share 0.05\n"
    "      at most 5 % of the queries get a recall below 0.8\n"
    "  nestor calibrate --collection novel --queries q.npy -k 1024 --total-variation 0.02 --temperature 5\n"
    "  nestor search --collection books --queries q.npy --target-recall 0.95\n"
    "\n"
    "The promise is about the mean over queries like those given, not about each query; docs/certified-search.md.";

index::CalibrationRequest to_request(const Arguments& a) {
  index::CalibrationRequest request;
  request.rows = a.sample;
  request.k = a.k;
  if (!(a.confidence > 0 && a.confidence < 1))
    throw Error(ErrorCode::invalid_argument, "--confidence must lie between 0 and 1");
  request.delta = 1 - a.confidence;
  request.test = index::parse_risk_test(a.test);
  request.promise = a.expected ? index::Promise::expected : index::Promise::certified;
  request.seed = a.seed;
  request.learn = !a.plain;
  request.threads = a.threads;
  request.encoder = a.encoder;
  if (a.tail) {
    request.loss = index::LossKind::tail_recall;
    request.loss_parameter = *a.tail;
    request.epsilons = {a.share};
  } else if (a.variation) {
    request.loss = index::LossKind::total_variation;
    request.loss_parameter = a.temperature;
    request.epsilons = {*a.variation};
  } else {
    for (const double recall : a.recalls.empty() ? std::vector<double>{0.95} : a.recalls) {
      if (!(recall > 0 && recall < 1))
        throw Error(ErrorCode::invalid_argument, "--recall " + fixed(recall, 4) + " must lie between 0 and 1");
      request.epsilons.push_back(std::round((1 - recall) * 1e9) / 1e9);
    }
  }
  return request;
}

std::string wanted(const index::CalibrationRequest& request, double epsilon) {
  index::Certificate c;
  c.loss = request.loss;
  c.loss_parameter = request.loss_parameter;
  c.level.epsilon = epsilon;
  return promise_text(c);
}

std::string times_fewer(double of, double than) { return than > 0 ? fixed(of / than, 2) + "x" : "-"; }

void print_text(const Arguments& a, const index::CalibrationRequest& request, const index::CalibrationReport& report) {
  std::cout << "Collection \"" << a.collection << "\", k = " << request.k << ", " << with_commas(report.queries)
            << (request.queries.empty() ? " rows" : " queries") << ": " << report.on_a << " to choose " << report.tried
            << " policies, " << report.on_b << " to certify a path of " << report.path << ", " << report.on_c
            << " to report; " << human_seconds(report.seconds) << "\n\n";
  TextTable table({"wanted", "certificate", ">loss B", ">loss C", ">distances", ">vs full", ">vs fixed", "policy"});
  for (const auto& o : report.outcomes)
    table.add({wanted(request, o.epsilon),
               o.certificate ? (a.dry_run ? "yes" : std::to_string(o.certificate->id)) : "NONE", fixed(o.risk, 5),
               fixed(o.on_c.loss, 5), fixed(o.on_c.evaluations, 0),
               times_fewer(report.full_ladder.evaluations, o.on_c.evaluations),
               times_fewer(o.fixed_on_c.evaluations, o.on_c.evaluations),
               o.certificate ? to_string(o.certificate->policy()) : "the full ladder does not reach it"});
  table.print(std::cout);
  std::cout << "\nloss B: mean on the queries that certify; loss C: on others. distances: per query, codes and rows.\n"
               "vs full: distances of the full ladder (loss C "
            << fixed(report.full_ladder.loss, 5)
            << ") over these; vs fixed: of the cheapest fixed depth with no more loss.\n";
  if (report.deferral.tried)
    std::cout << "Second looks: " << (report.deferral.shipped ? "in use" : "not in use") << ", they save "
              << fixed(100 * report.deferral.saving, 1) << " % (" << fixed(report.deferral.standard_errors, 1)
              << " standard errors; more than 2 are asked for).\n";
  for (const std::string& warning : report.warnings) std::cout << "Warning: " << warning << ".\n";
  if (a.dry_run) std::cout << "Nothing was stored (--dry-run).\n";
}

// Which of the wishes have no certificate.
std::string missed(const index::CalibrationRequest& request, const index::CalibrationReport& report) {
  std::string names;
  for (const auto& o : report.outcomes)
    if (!o.certificate) names += (names.empty() ? "" : ", ") + wanted(request, o.epsilon);
  return names;
}

nlohmann::json figures_json(const index::PolicyFigures& f) {
  return {{"loss", f.loss},
          {"evaluations", f.evaluations},
          {"coordinates", f.coordinates},
          {"microseconds_p95", f.microseconds}};
}

void print_json(const index::CalibrationReport& report) {
  nlohmann::json outcomes = nlohmann::json::array();
  for (const auto& o : report.outcomes)
    outcomes.push_back({{"epsilon", o.epsilon},
                        {"certificate", o.certificate ? to_json(*o.certificate) : nlohmann::json()},
                        {"risk", o.risk},
                        {"held_out", figures_json(o.on_c)},
                        {"fixed_held_out", figures_json(o.fixed_on_c)}});
  const nlohmann::json json = {{"outcomes", std::move(outcomes)},
                               {"full_ladder_held_out", figures_json(report.full_ladder)},
                               {"default_held_out", figures_json(report.default_policy)},
                               {"deferral",
                                {{"tried", report.deferral.tried},
                                 {"shipped", report.deferral.shipped},
                                 {"saving", report.deferral.saving},
                                 {"standard_errors", report.deferral.standard_errors}}},
                               {"queries", report.queries},
                               {"split", {report.on_a, report.on_b, report.on_c}},
                               {"seconds", report.seconds},
                               {"warnings", report.warnings}};
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

void run(const Arguments& a) {
  index::CalibrationRequest request = to_request(a);
  std::optional<QueryRows> queries;
  if (!a.queries.path.empty()) queries.emplace(load_queries(a.queries, true));
  const auto database = open_existing(a.data);
  const auto collection = database->collection(a.collection);
  if (queries) {
    if (queries->dim != collection->options().dim)
      throw Error(ErrorCode::invalid_argument, a.queries.path + " has " + std::to_string(queries->dim) +
                                                   " coordinates, the collection " +
                                                   std::to_string(collection->options().dim));
    request.queries = queries->vectors;
    request.count = queries->count();
  }
  PhaseProgress bars;
  request.progress = [&](const index::CalibrationProgress& p) { bars.update(p.phase, p.done, p.total); };
  index::CalibrationReport report = index::calibrate(*collection, request);
  bars.finish();
  std::vector<index::Certificate> fresh;
  for (const auto& o : report.outcomes)
    if (o.certificate) fresh.push_back(*o.certificate);
  if (!a.dry_run && !fresh.empty()) {
    const auto kept = collection->keep_certificates(std::move(fresh));
    std::size_t next = 0;
    for (auto& o : report.outcomes)
      if (o.certificate) o.certificate = kept[next++];
  }
  if (a.json)
    print_json(report);
  else
    print_text(a, request, report);
  if (const std::string names = missed(request, report); !names.empty() && !a.best_effort)
    throw Missed("calibrate: no certificate for " + names +
                 ": the full ladder does not reach it; more queries, a wider graph or --candidates-at-build may "
                 "(--best-effort: exit code 0)");
}

void list(const Arguments& a) {
  const auto database = open_existing(a.data);
  const auto collection = database->collection(a.collection);
  if (a.drop) {
    std::cout << collection->drop_certificates() << " certificates dropped\n";
    return;
  }
  const auto now = collection->served_state();
  nlohmann::json json = nlohmann::json::array();
  TextTable table({">id", "promise", ">k", "confidence", ">queries", "encoder", "state", "policy"});
  for (const index::Certificate& c : collection->certificates()) {
    std::string state = c.withdrawn.empty() ? index::why_stale(c, now) : c.withdrawn;
    json.push_back(to_json(c));
    json.back()["stale"] = state;
    table.add({std::to_string(c.id), promise_text(c), std::to_string(c.k),
               c.promise == index::Promise::expected ? "expected" : fixed(1 - c.level.delta, 3),
               with_commas(c.queries) + (c.source == index::QuerySource::rows ? " rows" : ""), c.encoder,
               state.empty() ? "in force" : state, to_string(c.policy())});
  }
  if (a.json)
    std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else if (json.empty())
    std::cout << "no certificates; nestor calibrate makes them\n";
  else
    table.print(std::cout, "");
}

}  // namespace

void add_calibrate_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("calibrate", "Certify a policy for a wanted recall");
  command->footer(kExamples);
  command->add_option("--collection", a->collection, "What to calibrate")->type_name("NAME")->required();
  add_data_options(*command, a->data);
  command->add_option("--queries", a->queries.path, "Queries like those to come; without: rows of the collection")
      ->type_name("FILE");
  command->add_option("--rows", a->queries.rows, "Only these rows of the file")->type_name("A:B");
  command->add_option("--sample", a->sample, "Rows drawn where there are no queries")
      ->type_name("N")
      ->capture_default_str();
  auto* recall = command->add_option("--recall", a->recalls, "Wanted mean recall@k, one certificate each [0.95]")
                     ->type_name("R,...")
                     ->delimiter(',');
  auto* tail = command->add_option("--tail", a->tail, "Instead: a recall that few queries fall below")
                   ->type_name("R")
                   ->excludes(recall);
  command->add_option("--share", a->share, "... the share of queries that may")
      ->type_name("S")
      ->needs(tail)
      ->capture_default_str();
  auto* variation = command
                        ->add_option("--total-variation", a->variation,
                                     "Instead: distance of kNN-LM distributions from the exact ones")
                        ->type_name("TV")
                        ->excludes(recall)
                        ->excludes(tail);
  command->add_option("--temperature", a->temperature, "... at this temperature")
      ->type_name("T")
      ->needs(variation)
      ->capture_default_str();
  command->add_option("--confidence", a->confidence, "Of each certificate")->type_name("C")->capture_default_str();
  command->add_option("-k", a->k, "Neighbours per query")->type_name("N")->capture_default_str();
  command->add_option("--test", a->test, "betting, hoeffding-bentkus or clopper-pearson (tail alone)")
      ->type_name("TEST")
      ->capture_default_str();
  command->add_flag("--expected", a->expected, "Promise the mean over calibrations too: weaker, fewer queries");
  command->add_flag("--no-second-look", a->plain, "Do not try the learnt part");
  command->add_option("--encoder", a->encoder, "Name of what made the queries")->type_name("NAME");
  command->add_option("--seed", a->seed, "Of the random splits")->type_name("N")->capture_default_str();
  command->add_option("--threads", a->threads, "Threads [all cores]")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""));
  command->add_flag("--dry-run", a->dry_run, "Store nothing");
  command->add_flag("--best-effort", a->best_effort, "Be content with what can be certified: exit code 0");
  command->add_flag("--json", a->json, "Print JSON");
  command->callback([a] { run(*a); });
}

void add_certificates_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("certificates", "What a collection is certified for, or drop it");
  command->add_option("--collection", a->collection, "Whose")->type_name("NAME")->required();
  add_data_options(*command, a->data);
  command->add_flag("--drop", a->drop, "Forget all of them");
  command->add_flag("--json", a->json, "Print JSON");
  command->callback([a] { list(*a); });
}

}  // namespace nestor::client
