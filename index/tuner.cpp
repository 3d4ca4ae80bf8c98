#include "index/tuner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "index/error.h"
#include "index/path_finder.h"
#include "index/policy_trial.h"
#include "index/query_draw.h"
#include "index/query_loss.h"

namespace nestor::index {
namespace {

constexpr std::size_t kMostOnA = 1000, kMostProbed = 200;
constexpr std::uint32_t kWidestGraph = 256;  // wider ones find no more, see default_graphs()
constexpr double kShareOfLoss = 0.25;        // of the loss allowed, what a prefix may lose before its walk begins

std::string text(const char* format, auto... values) {
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

double standard_error(const std::vector<float>& losses, double mean) {
  double squares = 0;
  for (const float loss : losses) squares += (static_cast<double>(loss) - mean) * (static_cast<double>(loss) - mean);
  const auto n = static_cast<double>(losses.size());
  return losses.size() < 2 ? 1 : std::sqrt(squares / (n - 1) / n);
}

class Tuning {
 public:
  Tuning(const Collection& collection, const TuningRequest& request) : collection_(collection), request_(request) {
    if (!(request.wanted_recall > 0 && request.wanted_recall < 1))
      throw Error(ErrorCode::invalid_argument, "the wanted recall must lie between 0 and 1");
    if (request.k < 1 || request.k > kMaxNeighbours)
      throw Error(ErrorCode::invalid_argument,
                  "k " + std::to_string(request.k) + " is out of range 1.." + std::to_string(kMaxNeighbours));
    if (collection.served_state().generation == 0)
      throw Error(ErrorCode::failed_precondition, "the collection has no graph yet: every search is exact");
    trials_.k = request.k;
    trials_.threads = request.max_latency_ms ? 1 : request.threads;
  }

  TuningReport run() {
    split();
    probe_widths();
    PathFinder paths(collection_.policy_space(request_.k), *a_,
                     [this](const char* phase, std::size_t i, std::size_t n) { say(phase, i, n); });
    choose(paths);
    report_.tried = paths.tried();
    measure();
    return std::move(report_);
  }

 private:
  void say(const char* phase, std::size_t done, std::size_t total) const {
    if (request_.progress) request_.progress({phase, done, total});
  }

  void split() {
    const std::size_t dim = collection_.options().dim;
    if (request_.queries.size() != request_.count * dim)
      throw Error(ErrorCode::invalid_argument, std::to_string(request_.queries.size()) + " numbers do not make " +
                                                   std::to_string(request_.count) + " queries of " +
                                                   std::to_string(dim) + " coordinates");
    drawn_ = draw_queries(collection_, request_.queries, request_.count, request_.rows, request_.seed);
    const std::size_t n = drawn_.vectors.size() / dim;
    if (n < kFewestTuningQueries)
      throw Error(ErrorCode::invalid_argument, std::to_string(n) + " queries are too few to tune with, " +
                                                   std::to_string(kFewestTuningQueries) + " are the least");
    const std::size_t on_a = std::min(kMostOnA, n / 2);
    a_.emplace(collection_, trials_, drawn_.part(0, on_a, dim));
    c_.emplace(collection_, trials_, drawn_.part(on_a, n, dim));
    a_->find_exact_neighbours([&](std::size_t done) { say("exact neighbours", done, n); });
    c_->find_exact_neighbours([&](std::size_t done) { say("exact neighbours", on_a + done, n); });
    report_.on_a_queries = a_->count();
    report_.on_c_queries = c_->count();
  }

  // What the prefixes of A's first queries find when every row is compared.
  void probe_widths() {
    const CollectionOptions& options = collection_.options();
    const PolicySpace space = collection_.policy_space(request_.k);
    report_.graph_width = report_.proposed_width = space.walk_width;
    report_.walk_codes = space.coarse ? WalkCodes::leading_bits : WalkCodes::whole;
    report_.shortlist = std::max(request_.k + 50, 3 * request_.k);
    if (options.rotation != Rotation::none) {
      report_.reasons.push_back(
          text("the graph stays at %u coordinates: prefixes of rotated vectors are not probed, they take a rotation of "
               "every row",
               space.walk_width));
      return;
    }
    const std::size_t probed = std::min(kMostProbed, a_->count());
    for (std::size_t i = 0; i < options.widths.size(); ++i) {
      const std::uint32_t width = options.widths[i];
      if (width > std::max(kWidestGraph, space.walk_width)) break;
      report_.ceilings.push_back({width, ceiling(width, probed)});
      say("probing widths", i + 1, options.widths.size());
    }
    propose(probed);
  }

  double ceiling(std::uint32_t width, std::size_t probed) const {
    const std::size_t dim = collection_.options().dim;
    SearchOptions exact;
    exact.exact = true;
    exact.k = std::min(report_.shortlist, kMaxNeighbours);
    if (width < dim) exact.width = width;
    const auto shortlists =
        collection_.search_batch(std::span(drawn_.vectors).first(probed * dim), probed, exact, request_.threads);
    double found = 0;
    for (std::size_t q = 0; q < probed; ++q) {
      const auto wanted = a_->exact_ids(q);
      std::size_t hits = 0;
      for (const PointId& id : wanted)
        hits += std::any_of(shortlists[q].hits.begin(), shortlists[q].hits.end(),
                            [&](const Hit& hit) { return hit.id == id; });
      found += wanted.empty() ? 1 : static_cast<double>(hits) / static_cast<double>(wanted.size());
    }
    return found / static_cast<double>(probed);
  }

  void propose(std::size_t probed) {
    const double allowed = kShareOfLoss * (1 - request_.wanted_recall);
    const auto enough = std::find_if(report_.ceilings.begin(), report_.ceilings.end(),
                                     [&](const WidthCeiling& c) { return c.recall >= 1 - allowed; });
    const WidthCeiling& best = enough == report_.ceilings.end() ? report_.ceilings.back() : *enough;
    report_.proposed_width = best.width;
    const char* verdict = best.width == report_.graph_width  ? "the graph is at that width already"
                          : best.width < report_.graph_width ? "a graph of that width compares fewer coordinates a row"
                                                             : "the graph in use is too narrow for the wanted recall";
    report_.reasons.push_back(text(
        "the %u nearest by %u coordinates hold %.2f %% of the %u nearest (%zu queries, every row compared; %.2f %% "
        "are asked for, a quarter of the loss allowed): %s",
        report_.shortlist, best.width, 100 * best.recall, request_.k, probed, 100 * (1 - allowed), verdict));
  }

  void choose(PathFinder& paths) {
    const std::vector<MeasuredPolicy> path = paths.plain_path();
    std::size_t chosen = 0;
    if (request_.max_latency_ms) {
      const double most = *request_.max_latency_ms * 1000;
      chosen = path.size() - 1;
      for (std::size_t i = path.size(); i-- > 0 && paths.figures(path[i].policy).microseconds <= most;) {
        chosen = i;
        report_.reached = true;
      }
    } else {
      const double allowed = 1 - request_.wanted_recall;
      for (std::size_t i = path.size(); i-- > 0 && !report_.reached;) {
        if (path[i].loss > allowed) continue;
        chosen = i;
        report_.reached = path[i].loss + standard_error(a_->run(path[i].policy).losses, path[i].loss) <= allowed;
      }
    }
    report_.chosen.policy = path[chosen].policy;
    report_.chosen.k = request_.k;
  }

  void measure() {
    report_.on_a = a_->run(report_.chosen.policy).figures;
    const TrialRun ours = c_->run(report_.chosen.policy), before = c_->run_default();
    report_.on_c = ours.figures;
    report_.cost_on_c = ours.mean_cost();
    report_.default_on_c = before.figures;
    report_.default_cost_on_c = before.mean_cost();
    report_.chosen.recall = 1 - ours.figures.loss;
    report_.chosen.queries = c_->count();
    const std::string wanted =
        request_.max_latency_ms ? text("the deepest of %zu policies of which 95 %% of the queries stay within %.3g ms",
                                       report_.tried, *request_.max_latency_ms)
                                : text("the cheapest of %zu policies whose recall less its standard error is %.4g",
                                       report_.tried, request_.wanted_recall);
    report_.reasons.push_back(text("%s on %zu queries: %s",
                                   (report_.reached ? wanted : "none is " + wanted + "; the nearest to it").c_str(),
                                   a_->count(), to_string(report_.chosen.policy).c_str()));
  }

  const Collection& collection_;
  const TuningRequest& request_;
  CalibrationRequest trials_;
  DrawnQueries drawn_;
  std::optional<PolicyTrial> a_, c_;
  TuningReport report_;
};

}  // namespace

TuningReport tune(const Collection& collection, const TuningRequest& request) {
  return Tuning(collection, request).run();
}

}  // namespace nestor::index
