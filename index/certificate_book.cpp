#include "index/certificate_book.h"

#include <algorithm>
#include <cstdio>

#include "index/error.h"

namespace nestor::index {
namespace {

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

double recall_of(const Certificate& c) { return 1 - c.level.epsilon; }

void check(const SearchOptions& options) {
  if (options.target_recall && !(*options.target_recall > 0 && *options.target_recall <= 1))
    throw Error(ErrorCode::invalid_argument,
                "target recall " + shown(*options.target_recall) + " must lie above 0 and at most at 1");
  if (options.max_latency_ms && !(*options.max_latency_ms > 0))
    throw Error(ErrorCode::invalid_argument,
                "latency budget " + shown(*options.max_latency_ms) + " ms must be greater than 0");
}

// Why a certificate says nothing about this query; empty: it does.
std::string why_unfit(const Certificate& c, const SearchOptions& options, const DepthContext& context) {
  if (c.k != options.k)
    return "certified for k = " + std::to_string(c.k) + ", the query asks for " + std::to_string(options.k);
  if (c.metric != context.metric) return "certified for another metric";
  if (options.width && *options.width != context.space.dim)
    return "certified for the full width, the query ranks by " + std::to_string(*options.width);
  const std::string filter = options.allowed_slots.empty() ? "" : options.filter_name;
  if (c.filter != filter || (!options.allowed_slots.empty() && filter.empty()))
    return c.filter.empty() ? "certified without a filter" : "certified with another filter";
  if (!options.encoder.empty() && options.encoder != c.encoder)
    return "certified for queries of encoder \"" + c.encoder + "\", these are of \"" + options.encoder + "\"";
  if (!c.withdrawn.empty()) return c.withdrawn;
  return why_stale(c, context.state);
}

// Whether `a` serves better than `b`; both fit. A certified promise before an expected one, queries before rows, then
// the lower recall, which costs less.
bool serves_better(const Certificate& a, const Certificate& b) {
  if (a.promise != b.promise) return a.promise == Promise::certified;
  if (a.source != b.source) return a.source == QuerySource::queries;
  return recall_of(a) < recall_of(b);
}

// The point of the path that fits the budget: from the certified one towards cheaper ones; without a target the
// safest that fits.
std::uint32_t within_budget(const Certificate& c, const SearchOptions& options) {
  if (!options.max_latency_ms) return c.chosen;
  std::uint32_t point = options.target_recall ? c.chosen : 0;
  while (point + 1 < c.path.size() && c.path[point].microseconds > 1000 * *options.max_latency_ms) ++point;
  return point;
}

DepthChoice by_certificate(const Certificate& c, const SearchOptions& options) {
  const std::uint32_t point = within_budget(c, options);
  DepthChoice choice;
  choice.policy = c.path[point].policy;
  Certification& said = choice.certification;
  said.certificate = c.id;
  said.recall = recall_of(c);
  said.certified = c.promise == Promise::certified && point <= c.chosen;
  if (point > c.chosen)
    said.note = "the latency budget of " + shown(*options.max_latency_ms) + " ms ends before the certified policy";
  else if (c.promise == Promise::expected)
    said.note = "recall " + shown(recall_of(c)) + " is expected on average, not certified";
  else if (options.target_recall && recall_of(c) > *options.target_recall + 1e-9)
    said.note = "served by the certificate for " + shown(recall_of(c)) + ", the next safer one";
  if (c.path[point].microseconds > 1000 * options.max_latency_ms.value_or(1e300))
    said.note = "even the cheapest policy takes longer than the latency budget";
  return choice;
}

bool same_question(const Certificate& a, const Certificate& b) {
  return a.k == b.k && a.filter == b.filter && a.encoder == b.encoder && a.loss == b.loss &&
         a.loss_parameter == b.loss_parameter && a.level.epsilon == b.level.epsilon && a.promise == b.promise &&
         a.source == b.source;
}

}  // namespace

CertificateBook::CertificateBook(List certificates) { replace(std::move(certificates)); }

std::shared_ptr<const CertificateBook::List> CertificateBook::all() const {
  const std::lock_guard lock(mutex_);
  return list_;
}

void CertificateBook::replace(List certificates) {
  auto next = std::make_shared<const List>(std::move(certificates));
  const std::lock_guard lock(mutex_);
  list_.swap(next);
}

DepthChoice CertificateBook::choose(const SearchOptions& options, const DepthContext& context) const {
  check(options);
  const auto list = all();
  const Certificate* best = nullptr;
  double highest = 0;
  std::string why = "no certificate of recall; calibrate the collection";
  for (const Certificate& c : *list) {
    if (c.loss != LossKind::recall) continue;
    const std::string unfit = why_unfit(c, options, context);
    if (!unfit.empty()) {
      why = unfit;
      continue;
    }
    highest = std::max(highest, recall_of(c));
    if (recall_of(c) < options.target_recall.value_or(0) - 1e-9) continue;
    if (best == nullptr || serves_better(c, *best)) best = &c;
  }
  if (best != nullptr) return by_certificate(*best, options);
  if (highest > 0) why = "the highest recall certified is " + shown(highest);
  DepthChoice choice;
  choice.policy = safe_policy(context.space);
  choice.certification.note = why + "; the safe policy served";
  return choice;
}

CertificateBook::List merged(const CertificateBook::List& now, CertificateBook::List fresh, const ServedState& state) {
  std::uint64_t next = 1;
  for (const Certificate& c : now) next = std::max(next, c.id + 1);
  CertificateBook::List out;
  for (const Certificate& c : now) {
    const bool replaced = std::any_of(fresh.begin(), fresh.end(), [&](const auto& f) { return same_question(c, f); });
    if (!replaced && c.state.fingerprint == state.fingerprint) out.push_back(c);
  }
  for (Certificate& f : fresh) {
    f.id = next++;
    out.push_back(std::move(f));
  }
  return out;
}

}  // namespace nestor::index
