#include "index/certificate.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

#include "index/error.h"

namespace nestor::index {
namespace {

template <class Enum, std::size_t N>
Enum parse(const char* what, std::string_view text, const std::array<Enum, N>& all) {
  std::string known;
  for (const Enum value : all) {
    if (text == to_string(value)) return value;
    known += (known.empty() ? "" : ", ") + std::string(to_string(value));
  }
  throw Error(ErrorCode::invalid_argument,
              std::string("unknown ") + what + " \"" + std::string(text) + "\", known are " + known);
}

}  // namespace

std::string_view to_string(LossKind kind) {
  switch (kind) {
    case LossKind::recall: return "recall";
    case LossKind::tail_recall: return "tail-recall";
    case LossKind::total_variation: return "total-variation";
  }
  return "unknown";
}
std::string_view to_string(Promise promise) { return promise == Promise::certified ? "certified" : "expected"; }
std::string_view to_string(QuerySource source) { return source == QuerySource::queries ? "queries" : "rows"; }

LossKind parse_loss_kind(std::string_view text) {
  return parse("loss", text, std::array{LossKind::recall, LossKind::tail_recall, LossKind::total_variation});
}
Promise parse_promise(std::string_view text) {
  return parse("promise", text, std::array{Promise::certified, Promise::expected});
}

double churn(const ServedState& before, const ServedState& now) {
  // Slots only grow until they are numbered anew; then nothing can be said.
  if (now.next_slot < before.next_slot) return std::numeric_limits<double>::infinity();
  const auto entered = static_cast<double>(now.next_slot - before.next_slot);
  const double left = static_cast<double>(before.points) + entered - static_cast<double>(now.points);
  return (entered + std::max(0.0, left)) / std::max(1.0, static_cast<double>(before.points));
}

std::string why_stale(const Certificate& certificate, const ServedState& now) {
  if (now.fingerprint != certificate.state.fingerprint)
    return "the graphs were built anew (generation " + std::to_string(certificate.state.generation) + " then, " +
           std::to_string(now.generation) + " now)";
  const double share = churn(certificate.state, now);
  if (share <= kMostChurn) return {};
  char text[96];
  std::snprintf(text, sizeof text, "%.2f %% of the rows changed since, at most %.0f %% may", 100 * share,
                100 * kMostChurn);
  return text;
}

}  // namespace nestor::index
