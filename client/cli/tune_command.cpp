// nestor tune: from a sample of queries and a wanted recall or latency to the default depth of a collection.
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/exit_code.h"
#include "client/cli/progress.h"
#include "client/cli/query_rows.h"
#include "client/cli/text.h"
#include "index/error.h"
#include "index/tuner.h"
#include "index/tuning_remedies.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;
using index::TuningReport;

namespace {

struct Arguments {
  DataArguments data;
  QueryArguments queries;
  std::string collection;
  double recall = 0.99;
  std::optional<double> latency;
  std::uint32_t k = 10;
  std::uint64_t sample = 1000, seed = 42;
  unsigned threads = 0;
  bool rebuild = false, dry_run = false, best_effort = false, reset = false, json = false;

  bool stores(const TuningReport& report) const { return !dry_run && (report.reached || best_effort); }
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor tune --collection books --queries q.npy --recall 0.99\n"
    "      searches that say nothing about depth take the cheapest policy that reached it\n"
    "  nestor tune --collection books --queries q.npy --latency-ms 0.2\n"
    "      ... the deepest one of which 95 % of the queries stayed within it\n"
    "  nestor tune --collection books --queries q.npy --recall 0.99 --rebuild\n"
    "      builds the graph at the proposed width, and over the other kind of codes, and keeps what is cheapest\n"
    "\n"
    "What cannot be reached is told with what would help, nothing is stored, and the exit code is 7; --best-effort\n"
    "stores what comes nearest and exits with 0.\n"
    "\n"
    "A choice, not a promise: half of the queries choose, the other half say what the choice is worth. For a promise "
    "see\n"
    "nestor calibrate.";

// What graphs are built over.
struct GraphChoice {
  std::vector<std::uint32_t> graphs;
  index::WalkCodes walk_codes = index::WalkCodes::automatic;

  bool operator==(const GraphChoice&) const = default;
};

// Another choice, built and measured.
struct Attempt {
  std::uint32_t graph_width = 0;
  index::WalkCodes walk_codes = index::WalkCodes::whole;
  double recall = 0, cost = 0;
  bool kept = false;
};

// Of a policy, against what searches did before.
void add_figures(TextTable& table, const std::string& name, const index::PolicyFigures& figures, double cost) {
  table.add({name, fixed(1 - figures.loss, 4), fixed(figures.evaluations, 0), fixed(figures.coordinates, 0),
             fixed(cost, 0), fixed(figures.microseconds / 1000, 3)});
}

void print_text(const Arguments& a, const TuningReport& report, const std::vector<Attempt>& attempts,
                const std::vector<std::string>& remedies) {
  std::cout << "Collection \"" << a.collection << "\", k = " << a.k << ": " << report.on_a_queries
            << (a.queries.path.empty() ? " rows" : " queries") << " choose among " << report.tried << " policies, "
            << report.on_c_queries << " report\n\n";
  TextTable table({"on the queries held out", ">recall", ">distances", ">coordinates", ">cost", ">ms, 95 %"});
  add_figures(table, "before", report.default_on_c, report.default_cost_on_c);
  add_figures(table, to_string(report.chosen.policy), report.on_c, report.cost_on_c);
  table.print(std::cout);
  std::cout << '\n';
  for (const std::string& reason : report.reasons) std::cout << "Because " << reason << ".\n";
  if (!report.reached) std::cout << "Warning: what was wanted is not reached on these queries.\n";
  for (const std::string& remedy : remedies) std::cout << "What would help: " << remedy << ".\n";
  if (a.queries.path.empty())
    std::cout << "Warning: no queries were given, rows of the collection stood in for them; queries may lie farther "
                 "from the rows.\n";
  for (const Attempt& attempt : attempts)
    std::cout << "Built with the graph at " << attempt.graph_width << " coordinates, walks comparing "
              << (attempt.walk_codes == index::WalkCodes::whole ? "whole codes" : "leading bits") << ": recall "
              << fixed(attempt.recall, 4) << ", cost " << fixed(attempt.cost, 0)
              << (attempt.kept ? "; kept.\n" : "; not kept.\n");
  if (!attempts.empty())
    std::cout << "In force: the graph at " << report.graph_width << " coordinates, walks compare "
              << (report.walk_codes == index::WalkCodes::whole ? "whole codes" : "leading bits") << ".\n";
  else if (report.proposed_width != report.graph_width)
    std::cout << "Proposed: a graph at " << report.proposed_width << " instead of " << report.graph_width
              << " coordinates; --rebuild builds it and keeps it where it is cheaper.\n";
  else
    std::cout << "Walks compare " << (report.walk_codes == index::WalkCodes::whole ? "whole codes" : "leading bits")
              << "; --rebuild tries the other kind and keeps what is cheaper.\n";
  if (a.dry_run)
    std::cout << "Nothing was stored (--dry-run).\n";
  else if (!a.stores(report))
    std::cout << "Nothing was stored (--best-effort stores it).\n";
}

nlohmann::json figures_json(const index::PolicyFigures& f, double cost) {
  return {{"recall", 1 - f.loss},
          {"evaluations", f.evaluations},
          {"coordinates", f.coordinates},
          {"cost", cost},
          {"microseconds_p95", f.microseconds}};
}

void print_json(const Arguments& a, const TuningReport& report, const std::vector<Attempt>& attempts,
                const std::vector<std::string>& remedies) {
  nlohmann::json ceilings = nlohmann::json::array();
  for (const index::WidthCeiling& c : report.ceilings) ceilings.push_back({{"width", c.width}, {"recall", c.recall}});
  const index::SearchPolicy& policy = report.chosen.policy;
  nlohmann::json json = {
      {"policy", {{"explore", policy.explore}, {"gap", policy.gap}, {"keep", policy.keep}, {"rerank", policy.rerank}}},
      {"k", report.chosen.k},
      {"reached", report.reached},
      {"held_out", figures_json(report.on_c, report.cost_on_c)},
      {"before_held_out", figures_json(report.default_on_c, report.default_cost_on_c)},
      {"queries", {report.on_a_queries, report.on_c_queries}},
      {"graph_width", report.graph_width},
      {"proposed_width", report.proposed_width},
      {"walk_codes", to_string(report.walk_codes)},
      {"shortlist", report.shortlist},
      {"ceilings", std::move(ceilings)},
      {"reasons", report.reasons},
      {"remedies", remedies},
      {"stored", a.stores(report)}};
  for (const Attempt& attempt : attempts)
    json["rebuilds"].push_back({{"graph_width", attempt.graph_width},
                                {"walk_codes", to_string(attempt.walk_codes)},
                                {"recall", attempt.recall},
                                {"cost", attempt.cost},
                                {"kept", attempt.kept}});
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

class Tune {
 public:
  explicit Tune(const Arguments& arguments) : a_(arguments) {
    if (!a_.queries.path.empty()) queries_.emplace(load_queries(a_.queries, true));
    database_ = open_existing(a_.data);
    collection_ = database_->collection(a_.collection);
    if (queries_ && queries_->dim != collection_->options().dim)
      throw Error(ErrorCode::invalid_argument, a_.queries.path + " has " + std::to_string(queries_->dim) +
                                                   " coordinates, the collection " +
                                                   std::to_string(collection_->options().dim));
  }

  void run() {
    if (a_.reset) {
      collection_->use_tuned_policy(std::nullopt);
      std::cout << "Searches of \"" << a_.collection << "\" go as deep as its build chose\n";
      return;
    }
    TuningReport report = measure();
    if (a_.rebuild) try_others(report);
    if (a_.stores(report)) collection_->use_tuned_policy(report.chosen);
    const std::vector<std::string> remedies = index::tuning_remedies(report, request());
    if (a_.json)
      print_json(a_, report, attempts_, remedies);
    else
      print_text(a_, report, attempts_, remedies);
    if (report.reached || a_.best_effort) return;
    throw Missed("tune: " +
                 (a_.latency ? "a latency of " + fixed(*a_.latency, 3) + " ms" : "a recall of " + fixed(a_.recall, 4)) +
                 " is not reached, " + (a_.dry_run ? "" : "nothing was stored; ") + "see what would help above");
  }

 private:
  index::TuningRequest request() const {
    index::TuningRequest request;
    if (queries_) {
      request.queries = queries_->vectors;
      request.count = queries_->count();
    }
    request.rows = a_.sample;
    request.k = a_.k;
    request.wanted_recall = a_.recall;
    request.max_latency_ms = a_.latency;
    request.seed = a_.seed;
    request.threads = a_.threads;
    return request;
  }

  TuningReport measure() const {
    index::TuningRequest request = this->request();
    PhaseProgress bars;
    request.progress = [&](const index::CalibrationProgress& p) { bars.update(p.phase, p.done, p.total); };
    TuningReport report = index::tune(*collection_, request);
    bars.finish();
    return report;
  }

  // What was wanted first; then the cheapest that reaches it, or where none does, what comes nearest.
  static bool better(const TuningReport& a, const TuningReport& b) {
    if (a.reached != b.reached) return a.reached;
    return a.reached ? a.cost_on_c < b.cost_on_c : a.on_c.loss < b.on_c.loss;
  }

  // The proposed width first, then the other kind of codes at the better width. Leaves the best in force and its report
  // in `report`.
  void try_others(TuningReport& report) {
    GraphChoice best{collection_->options().graphs, collection_->options().walk_codes}, built = best;
    const auto attempt = [&](const GraphChoice& choice) {
      build_with(choice);
      built = choice;
      const TuningReport after = measure();
      const bool kept = better(after, report);
      attempts_.push_back({after.graph_width, after.walk_codes, 1 - after.on_c.loss, after.cost_on_c, kept});
      if (!kept) return;
      report = after;
      best = choice;
    };
    if (report.proposed_width != report.graph_width) {
      GraphChoice other{{}, best.walk_codes};
      for (const std::uint32_t width : best.graphs)
        if (width < report.proposed_width) other.graphs.push_back(width);
      other.graphs.push_back(report.proposed_width);
      attempt(other);
    }
    attempt({best.graphs,
             report.walk_codes == index::WalkCodes::whole ? index::WalkCodes::leading_bits : index::WalkCodes::whole});
    if (built != best) build_with(best);
  }

  void build_with(const GraphChoice& choice) {
    collection_.reset();
    database_->change_graphs(a_.collection, choice.graphs, choice.walk_codes);
    collection_ = database_->collection(a_.collection);
    index::BuildOptions options;
    options.threads = a_.threads;
    PhaseProgress bars;
    options.progress = [&](const index::BuildProgress& p) { bars.update(p.phase, p.done, p.total); };
    collection_->build(options);
    bars.finish();
  }

  const Arguments& a_;
  std::optional<QueryRows> queries_;
  std::unique_ptr<storage::Database> database_;
  std::shared_ptr<index::Collection> collection_;
  std::vector<Attempt> attempts_;
};

}  // namespace

void add_tune_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("tune", "Choose the default depth for a wanted recall or latency");
  command->footer(kExamples);
  command->add_option("--collection", a->collection, "What to tune")->type_name("NAME")->required();
  add_data_options(*command, a->data);
  command->add_option("--queries", a->queries.path, "Queries like those to come; without: rows of the collection")
      ->type_name("FILE");
  command->add_option("--rows", a->queries.rows, "Only these rows of the file")->type_name("A:B");
  command->add_option("--sample", a->sample, "Rows drawn where there are no queries")
      ->type_name("N")
      ->capture_default_str();
  auto* recall =
      command->add_option("--recall", a->recall, "Wanted mean recall@k")->type_name("R")->capture_default_str();
  command->add_option("--latency-ms", a->latency, "Instead: what 95 % of the queries stay within, each on one thread")
      ->type_name("MS")
      ->check(CLI::Range(0.001, 3.6e6).description(""))
      ->excludes(recall);
  command->add_option("-k", a->k, "Neighbours per query")->type_name("N")->capture_default_str();
  auto* rebuild = command->add_flag("--rebuild", a->rebuild,
                                    "Build at the proposed width and over the other codes; keep the cheapest");
  command->add_option("--seed", a->seed, "Of the random split")->type_name("N")->capture_default_str();
  command->add_option("--threads", a->threads, "Threads [all cores]")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""));
  command->add_flag("--dry-run", a->dry_run, "Store nothing")->excludes(rebuild);
  command->add_flag("--best-effort", a->best_effort, "Store what comes nearest where what is wanted is out of reach");
  command->add_flag("--reset", a->reset, "Back to the depth that the build chose");
  command->add_flag("--json", a->json, "Print JSON");
  command->callback([a] { Tune(*a).run(); });
}

}  // namespace nestor::client
