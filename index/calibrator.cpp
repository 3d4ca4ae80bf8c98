#include "index/calibrator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include "index/error.h"
#include "index/path_finder.h"
#include "index/policy_trial.h"
#include "index/query_draw.h"

namespace nestor::index {
namespace {

constexpr std::size_t kMostTried = 1000;  // queries of A beyond this teach nothing new
constexpr double kShareOfB = 0.6;

[[noreturn]] void invalid(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::size_t needed_on_b(const CalibrationRequest& request, double epsilon) {
  if (request.promise == Promise::expected) return smallest_expected_sample(epsilon);
  return smallest_sample(request.test, {epsilon, request.delta});
}

void check(const Collection& collection, const CalibrationRequest& request, std::size_t count) {
  const std::size_t dim = collection.options().dim;
  if (request.k < 1 || request.k > kMaxNeighbours)
    invalid("k " + std::to_string(request.k) + " is out of range 1.." + std::to_string(kMaxNeighbours));
  if (request.queries.size() != request.count * dim)
    invalid(std::to_string(request.queries.size()) + " numbers do not make " + std::to_string(request.count) +
            " queries of " + std::to_string(dim) + " coordinates");
  if (request.epsilons.empty()) invalid("no target to calibrate for");
  if (request.loss == LossKind::tail_recall && !(request.loss_parameter > 0 && request.loss_parameter <= 1))
    invalid("tail recall " + number(request.loss_parameter) + " must lie above 0 and at most at 1");
  if (request.loss == LossKind::total_variation && !(request.loss_parameter > 0))
    invalid("temperature " + number(request.loss_parameter) + " must be greater than 0");
  if (request.test == RiskTest::clopper_pearson && request.loss != LossKind::tail_recall)
    invalid("the clopper-pearson test takes losses of 0 and 1 alone: use it for tail recall, and betting here");
  if (!request.allowed_slots.empty() && request.filter_name.empty()) invalid("a filter needs a name to be found by");
  const std::size_t needed = queries_needed(request);
  if (count < needed)
    invalid(std::to_string(count) + " queries are too few: " + std::to_string(needed) +
            " are the fewest with which this can be certified, " + std::to_string(4 * needed) +
            " make a choice possible (" + std::to_string(static_cast<int>(kShareOfB * 100)) +
            " % of them carry the promise)");
}

struct Split {
  std::unique_ptr<PolicyTrial> a, b, c;
};

class Calibration {
 public:
  Calibration(const Collection& collection, const CalibrationRequest& request)
      : collection_(collection), request_(request), space_(collection.policy_space(request.k)) {}

  CalibrationReport run() {
    const auto started = std::chrono::steady_clock::now();
    state_ = collection_.served_state();
    if (state_.generation == 0)
      throw Error(ErrorCode::failed_precondition,
                  "the collection has no graph yet: every search is exact and needs no certificate");
    split(draw());
    find_truth();
    certify(freeze_path());
    report_baselines();
    if (const ServedState now = collection_.served_state(); now.fingerprint != state_.fingerprint)
      throw Error(ErrorCode::failed_precondition, "the graphs were built anew during the calibration: calibrate again");
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return std::move(report_);
  }

 private:
  void say(const char* phase, std::size_t done, std::size_t total) const {
    if (request_.progress) request_.progress({phase, done, total});
  }

  DrawnQueries draw() {
    DrawnQueries drawn =
        draw_queries(collection_, request_.queries, request_.count, request_.rows, request_.seed);
    if (request_.queries.empty())
      report_.warnings.push_back(
          "no queries were given: rows of the collection stood in for them. Rows are not queries; the promise holds "
          "for searches near points like the stored ones alone");
    check(collection_, request_, drawn.vectors.size() / collection_.options().dim);
    return drawn;
  }

  void split(const DrawnQueries& drawn) {
    const std::size_t dim = collection_.options().dim, n = drawn.vectors.size() / dim;
    const std::size_t on_b = static_cast<std::size_t>(std::ceil(kShareOfB * static_cast<double>(n)));
    const std::size_t on_a = std::min(kMostTried, (n - on_b + 1) / 2);
    std::size_t first = 0;
    const auto take = [&](std::size_t count) {
      const std::size_t last = std::min(n, first + count);
      DrawnQueries part = drawn.part(first, last, dim);
      first = last;
      return std::make_unique<PolicyTrial>(collection_, request_, std::move(part));
    };
    split_.a = take(on_a);
    split_.c = take(n - on_b - on_a);
    split_.b = take(on_b);
    report_.queries = n;
    report_.on_a = split_.a->count();
    report_.on_b = split_.b->count();
    report_.on_c = split_.c->count();
  }

  void find_truth() {
    std::size_t before = 0;
    for (PolicyTrial* part : {split_.a.get(), split_.c.get(), split_.b.get()}) {
      part->find_exact_neighbours([&](std::size_t done) { say("exact neighbours", before + done, report_.queries); });
      before += part->count();
    }
  }

  std::vector<MeasuredPolicy> freeze_path() {
    paths_.emplace(space_, *split_.a,
                   [this](const char* phase, std::size_t done, std::size_t total) { say(phase, done, total); });
    std::vector<MeasuredPolicy> path = paths_->plain_path();
    if (!request_.learn) return path;
    std::vector<MeasuredPolicy> learnt = paths_->learnt_path();
    report_.deferral = paths_->judge(*split_.c, learnt, request_.epsilons);
    return report_.deferral.shipped ? learnt : path;
  }

  // ---- certificates ----

  void certify(const std::vector<MeasuredPolicy>& path) {
    report_.path = path.size();
    std::vector<TrialRun> runs(path.size());
    const auto losses = [&](std::size_t i) {
      if (runs[i].losses.empty()) runs[i] = split_.b->run(path[i].policy);
      say("certifying", i + 1, path.size());
      return std::span<const float>(runs[i].losses);
    };
    for (const double epsilon : request_.epsilons) {
      const RiskLevel level{epsilon, request_.delta};
      const CalibratedChoice choice = request_.promise == Promise::certified
                                          ? choose_certified(request_.test, path.size(), losses, level)
                                          : choose_expected(path.size(), losses, epsilon);
      CalibrationOutcome outcome;
      outcome.epsilon = epsilon;
      const std::size_t chosen = choice.chosen.value_or(0);
      outcome.risk = choice.tested[chosen].risk;
      if (choice.chosen) outcome.certificate = make_certificate(path, choice, level);
      const TrialRun on_c = split_.c->run(path[chosen].policy);
      outcome.on_c = on_c.figures;
      outcome.fixed_on_c = split_.c->run(paths_->fixed_as_good_as(path[chosen].loss)).figures;
      report_.outcomes.push_back(std::move(outcome));
    }
    say("certifying", path.size(), path.size());
  }

  Certificate make_certificate(const std::vector<MeasuredPolicy>& path, const CalibratedChoice& choice,
                               RiskLevel level) {
    Certificate c;
    c.created =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    c.state = state_;
    c.widths = collection_.options().widths;
    c.k = request_.k;
    c.metric = collection_.options().metric;
    c.filter = request_.allowed_slots.empty() ? "" : request_.filter_name;
    c.encoder = request_.encoder;
    c.source = request_.queries.empty() ? QuerySource::rows : QuerySource::queries;
    c.loss = request_.loss;
    c.loss_parameter = request_.loss_parameter;
    c.level = level;
    c.promise = request_.promise;
    c.test = request_.test;
    c.queries = split_.b->count();
    c.seed = request_.seed;
    c.chosen = static_cast<std::uint32_t>(*choice.chosen);
    for (std::size_t i = 0; i < path.size(); ++i) c.path.push_back(point_of(path[i].policy, choice, i));
    return c;
  }

  CertifiedPoint point_of(const SearchPolicy& policy, const CalibratedChoice& choice, std::size_t i) {
    CertifiedPoint point;
    point.policy = policy;
    point.tested = i < choice.tested.size();
    if (point.tested) {
      point.risk = choice.tested[i].risk;
      point.p_value = choice.tested[i].p_value;
    }
    const PolicyFigures figures = paths_->figures(policy);
    point.evaluations = figures.evaluations;
    point.coordinates = figures.coordinates;
    point.microseconds = figures.microseconds;
    return point;
  }

  void report_baselines() {
    say("reporting", 0, 1);
    report_.full_ladder = split_.c->run(paths_->safest()).figures;
    report_.tried = paths_->tried();
    report_.default_policy = split_.c->run_default().figures;
    say("reporting", 1, 1);
  }

  const Collection& collection_;
  const CalibrationRequest& request_;
  const PolicySpace space_;
  ServedState state_;
  Split split_;
  std::optional<PathFinder> paths_;
  CalibrationReport report_;
};

}  // namespace

std::size_t queries_needed(const CalibrationRequest& request) {
  std::size_t most = 0;
  for (const double epsilon : request.epsilons) most = std::max(most, needed_on_b(request, epsilon));
  return static_cast<std::size_t>(std::ceil(static_cast<double>(most) / kShareOfB)) + 4;
}

CalibrationReport calibrate(const Collection& collection, const CalibrationRequest& request) {
  return Calibration(collection, request).run();
}

}  // namespace nestor::index
