#include "index/policy_trial.h"

#include <algorithm>

#include "index/parallel.h"
#include "index/query_loss.h"

namespace nestor::index {
namespace {

// What a comparison costs beside the bytes it reads, in bytes: the constants of planner.cpp, kEvaluation over
// kEvaluationByte.
constexpr double kBytesOfAComparison = 160;

float cost_of(const StageReport& stage) {
  return static_cast<float>(static_cast<double>(stage.bytes_read) +
                            kBytesOfAComparison * static_cast<double>(stage.distance_evaluations));
}

}  // namespace

double TrialRun::mean_cost() const {
  double sum = 0;
  for (const float c : costs) sum += static_cast<double>(c);
  return sum / static_cast<double>(costs.size());
}

PolicyTrial::PolicyTrial(const Collection& collection, const CalibrationRequest& request, DrawnQueries queries)
    : collection_(collection),
      request_(request),
      queries_(std::move(queries.vectors)),
      rows_(std::move(queries.rows)),
      count_(queries_.size() / collection.options().dim),
      dim_(collection.options().dim) {
  if (rows_.empty()) return;
  allowed_.assign(request.allowed_slots.begin(), request.allowed_slots.end());
  if (allowed_.empty())
    allowed_.assign((collection.served_state().next_slot + std::size_t{63}) / 64, ~std::uint64_t{0});
}

SearchOptions PolicyTrial::options() const {
  SearchOptions options;
  options.k = request_.k;
  options.allowed_slots = request_.allowed_slots;
  options.allowed_numbering = request_.allowed_numbering;
  return options;
}

std::vector<QueryResult> PolicyTrial::search(const SearchOptions& options, std::size_t first, std::size_t last) const {
  if (!rows_.empty()) return search_without_themselves(options, first, last);
  return collection_.search_batch(std::span(queries_).subspan(first * dim_, (last - first) * dim_), last - first,
                                  options, request_.threads);
}

std::vector<QueryResult> PolicyTrial::search_without_themselves(const SearchOptions& options, std::size_t first,
                                                                std::size_t last) const {
  std::vector<QueryResult> results(last - first);
  parallel_blocks(last - first, 16, request_.threads, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint64_t> allowed = allowed_;
    SearchOptions own = options;
    own.allowed_slots = allowed;
    for (std::size_t i = begin; i < end; ++i) {
      const Slot slot = rows_[first + i];
      const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
      const std::uint64_t before = slot / 64 < allowed.size() ? allowed[slot / 64] : 0;
      if (before & bit) allowed[slot / 64] = before & ~bit;
      results[i] = collection_.search(std::span(queries_).subspan((first + i) * dim_, dim_), own);
      if (before & bit) allowed[slot / 64] = before;
    }
  });
  return results;
}

void PolicyTrial::find_exact_neighbours(const std::function<void(std::size_t)>& progress) {
  constexpr std::size_t kAtOnce = 256;
  SearchOptions exact = options();
  exact.exact = true;
  exact_.clear();
  for (std::size_t first = 0; first < count_; first += kAtOnce) {
    auto found = search(exact, first, std::min(count_, first + kAtOnce));
    for (QueryResult& one : found) exact_.push_back(std::move(one));
    progress(exact_.size());
  }
}

std::vector<PointId> PolicyTrial::exact_ids(std::size_t query) const {
  std::vector<PointId> ids;
  for (const Hit& hit : exact_[query].hits) ids.push_back(hit.id);
  return ids;
}

TrialRun PolicyTrial::run(const SearchPolicy& policy) const {
  SearchOptions deep = options();
  deep.policy = policy;
  return run(deep);
}
TrialRun PolicyTrial::run_default() const { return run(options()); }

TrialRun PolicyTrial::run(const SearchOptions& options) const {
  SearchOptions explained = options;
  explained.explain = true;
  const auto results = search(explained, 0, count_);
  TrialRun run;
  std::vector<double> times;
  const auto n = static_cast<double>(count_);
  for (std::size_t q = 0; q < count_; ++q) {
    run.losses.push_back(query_loss(request_.loss, request_.loss_parameter, exact_[q], results[q]));
    run.figures.loss += static_cast<double>(run.losses.back()) / n;
    for (auto* list : {&run.costs, &run.evaluations, &run.coordinates}) list->push_back(0);
    run.features.emplace_back();
    times.push_back(0);
    for (const StageReport& stage : results[q].stages) {
      if (stage.features) run.features.back() = *stage.features;
      times.back() += stage.microseconds;
      if (stage.name == "tail") continue;  // the same for every policy
      run.costs.back() += cost_of(stage);
      run.evaluations.back() += static_cast<float>(stage.distance_evaluations);
      run.coordinates.back() += static_cast<float>(stage.coordinates_read);
    }
    run.figures.evaluations += static_cast<double>(run.evaluations.back()) / n;
    run.figures.coordinates += static_cast<double>(run.coordinates.back()) / n;
  }
  if (times.empty()) return run;
  const auto late = times.begin() + static_cast<std::ptrdiff_t>(times.size() * 95 / 100);
  std::nth_element(times.begin(), late, times.end());
  run.figures.microseconds = *late;
  return run;
}

}  // namespace nestor::index
