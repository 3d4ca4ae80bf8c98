#include "index/search_policy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

namespace nestor::index {
namespace {

constexpr float kGaps[] = {0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f, 0.07f, 0.08f, 0.09f, 0.1f,  0.11f,
                           0.12f, 0.13f, 0.14f, 0.15f, 0.16f, 0.17f, 0.18f, 0.19f, 0.2f,  0.22f, 0.24f,
                           0.26f, 0.28f, 0.3f,  0.33f, 0.36f, 0.4f,  0.45f, 0.5f,  0.6f,  0.75f, 1.0f};
// Candidates explored, as multiples of k; for large k less than one, since what is evaluated is far more than that.
constexpr double kExplore[] = {0.5, 0.7, 1,  1.2, 1.5, 2,  2.5, 3,  3.5, 4,  5,
                               6,   7,   8,  10,  12,  15, 20,  25, 30,  40, 60, 100};
// A gap explores this many at most. Few queries come near to it, and those are the hard ones: what is missing at high
// recall is lost there, so wide gaps are tried with more, too.
constexpr std::uint32_t kGapCap = 512, kHighGapCap = 2000;
constexpr float kHighGaps[] = {0.12f, 0.14f, 0.16f, 0.18f, 0.2f, 0.24f, 0.28f, 0.33f, 0.4f, 0.5f};
constexpr std::uint32_t kLargeK = 200;  // beyond it a gap saves nothing, as in the default policy

struct Shortlist {
  std::uint32_t keep, rerank;
};

std::uint32_t times(std::uint32_t k, double factor) {
  return static_cast<std::uint32_t>(std::lround(static_cast<double>(k) * factor));
}

// What the walk hands on, and what of it is ranked exactly. A walk over all ranked coordinates by whole codes errs by
// rounding alone; any other needs more behind it, and another look by wider or whole codes where there are any.
std::vector<Shortlist> shortlists(const PolicySpace& space) {
  const std::uint32_t k = space.k;
  if (space.walk_width >= space.dim && !space.coarse)
    return {{k + std::max(3u, k / 20), k + std::max(3u, k / 20)},
            {k + std::max(6u, k / 12), k + std::max(6u, k / 12)},
            {k + std::max(10u, k / 8), k + std::max(10u, k / 8)},
            {k + std::max(20u, k / 4), k + std::max(20u, k / 4)},
            {k + std::max(40u, k / 2), k + std::max(40u, k / 2)}};
  if (space.coded_width >= space.dim)
    return {{k + std::max(20u, k / 2), k + std::max(3u, k / 20)}, {k + std::max(20u, k / 2), k + std::max(6u, k / 8)},
            {k + std::max(50u, k), k + std::max(6u, k / 8)},      {k + std::max(50u, k), k + std::max(10u, k / 4)},
            {k + std::max(50u, k), k + std::max(30u, k / 2)},     {k + std::max(100u, 2 * k), k + std::max(30u, k / 2)},
            {k + std::max(200u, 3 * k), k + std::max(60u, k)}};
  if (space.coarse)
    return {{k + std::max(20u, k / 2), k + std::max(6u, k / 8)}, {k + std::max(30u, k / 2), k + std::max(10u, k / 4)},
            {k + std::max(50u, k), k + std::max(10u, k / 4)},    {k + std::max(50u, k), k + std::max(20u, k / 2)},
            {k + std::max(100u, 2 * k), k + std::max(40u, k)},   {k + std::max(200u, 3 * k), k + std::max(80u, 2 * k)}};
  return {{k + std::max(6u, k / 8), k + std::max(6u, k / 8)},
          {k + std::max(10u, k / 4), k + std::max(10u, k / 4)},
          {k + std::max(20u, k / 2), k + std::max(20u, k / 2)},
          {k + std::max(40u, k), k + std::max(40u, k)},
          {k + std::max(80u, 2 * k), k + std::max(80u, 2 * k)}};
}

}  // namespace

std::string to_string(const SearchPolicy& policy) {
  char text[160];
  int used = policy.gap > 0 ? std::snprintf(text, sizeof text, "gap %.3g, ", static_cast<double>(policy.gap)) : 0;
  used += std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), "ef %u, keep %u, rank %u",
                        policy.explore, policy.keep, policy.rerank);
  if (policy.deferral)
    std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), ", if unsure gap %.3g (above %.3g)",
                  static_cast<double>(policy.deferral->gap), static_cast<double>(policy.deferral->threshold));
  return text;
}

SearchPolicy safe_policy(const PolicySpace& space) {
  const Shortlist longest = shortlists(space).back();
  SearchPolicy policy;
  policy.explore = std::max(1600u, 2 * space.k);
  policy.keep = longest.keep;
  policy.rerank = longest.rerank;
  return policy;
}

std::vector<SearchPolicy> candidate_policies(const PolicySpace& space) {
  std::vector<SearchPolicy> out;
  const bool gaps = space.k <= kLargeK;
  std::set<std::uint32_t> explores;
  for (const double factor : kExplore)
    if (times(space.k, factor) >= 1 && (factor <= 3 || space.k <= kLargeK)) explores.insert(times(space.k, factor));
  const std::vector<Shortlist> lists = shortlists(space);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const Shortlist& s = lists[i];
    for (const std::uint32_t explore : explores) out.push_back({explore, 0, s.keep, s.rerank, {}});
    if (!gaps) continue;
    for (const float gap : kGaps) out.push_back({std::max(kGapCap, 2 * space.k), gap, s.keep, s.rerank, {}});
    if (i == 0) continue;  // the shortest list loses more by itself
    for (const float gap : kHighGaps) out.push_back({kHighGapCap, gap, s.keep, s.rerank, {}});
  }
  return out;
}

std::vector<MeasuredPolicy> policy_path(const MeasuredPolicy& safest, std::vector<MeasuredPolicy> measured,
                                        std::size_t limit) {
  std::sort(measured.begin(), measured.end(), [](const MeasuredPolicy& a, const MeasuredPolicy& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.loss < b.loss;
  });
  std::vector<MeasuredPolicy> front;  // cheap to dear, losses never rising
  for (MeasuredPolicy& m : measured)
    if (m.cost < safest.cost && (front.empty() || m.loss <= front.back().loss)) front.push_back(std::move(m));
  std::vector<MeasuredPolicy> path{safest};
  if (front.empty() || limit < 2) return path;
  const double low = std::log(front.front().cost), high = std::log(front.back().cost);
  const double step = front.size() < limit ? 0 : (high - low) / static_cast<double>(limit - 1);
  double next = high;
  for (std::size_t i = front.size(); i-- > 0;) {
    const double cost = std::log(front[i].cost);
    if (cost > next + 1e-12 && i != 0) continue;
    path.push_back(std::move(front[i]));
    next = std::min(next, cost) - step;
  }
  return path;
}

}  // namespace nestor::index
