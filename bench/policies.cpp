#include "bench/policies.h"

#include <algorithm>
#include <cstdio>

namespace nestor::bench {
namespace {

struct WalkEnd {
  std::uint32_t pool = 0;  // ef
  float gap = 0;           // 0: the pool alone ends the walk
};

Policy ladder(std::vector<index::Stage> stages, WalkEnd end) {
  Policy policy;
  for (const index::Stage& stage : stages)
    policy.name +=
        (policy.name.empty() ? "" : " > ") + std::to_string(stage.width) + ":" + std::to_string(stage.shortlist);
  char text[32];
  if (end.gap > 0)
    std::snprintf(text, sizeof text, ", gap %.2f", static_cast<double>(end.gap));
  else
    std::snprintf(text, sizeof text, ", ef %u", end.pool);
  policy.name += text;
  policy.options.stages = std::move(stages);
  policy.options.candidates_to_explore = end.pool;
  policy.options.distance_gap = end.gap;
  return policy;
}

// Candidates ranked exactly at the end: codes order the last few up to their rounding, and up to the coordinates
// that have no codes.
std::uint32_t finalists(const Rungs& rungs, std::uint32_t k) {
  const std::uint32_t few = k + std::max(10u, k / 4);
  return rungs.coded < rungs.dim ? few + few / 2 : few;
}

void add_whole_walks(const Rungs& rungs, std::uint32_t k, std::vector<Policy>& out) {
  const std::vector<index::Stage> stages{{rungs.coded, finalists(rungs, k)}};
  for (const std::uint32_t factor : {2u, 4u, 8u}) out.push_back(ladder(stages, {factor * k, 0}));
  for (const float gap : {0.05f, 0.1f, 0.15f, 0.2f, 0.3f}) out.push_back(ladder(stages, {std::max(400u, 4 * k), gap}));
}

void add_prefix_walks(const Rungs& rungs, std::uint32_t width, std::uint32_t k, std::vector<Policy>& out) {
  for (const std::uint32_t factor : {3u, 8u}) {
    const std::vector<index::Stage> stages{{width, factor * k}, {rungs.coded, finalists(rungs, k)}};
    out.push_back(ladder(stages, {factor * k, 0}));
    for (const float gap : {0.1f, 0.2f, 0.4f}) out.push_back(ladder(stages, {std::max(400u, 2 * factor * k), gap}));
  }
}

}  // namespace

Rungs rungs_of(const index::CollectionOptions& options) {
  const bool rotated = options.rotation != index::Rotation::none;
  return {options.graphs, rotated ? options.graphs.back() : options.dim, options.dim};
}

Policy exact_policy(std::uint32_t width) {
  Policy policy{.name = "exact " + std::to_string(width), .options = {}};
  policy.options.exact = true;
  policy.options.width = width;
  return policy;
}

Policy default_policy() { return {.name = "default policy", .options = {}}; }

std::vector<Policy> ladder_policies(const Rungs& rungs, std::uint32_t k) {
  std::vector<Policy> policies;
  for (const std::uint32_t width : rungs.graphs) {
    if (width >= rungs.coded)
      add_whole_walks(rungs, k, policies);
    else
      add_prefix_walks(rungs, width, k, policies);
  }
  return policies;
}

std::vector<Policy> lookup_policies(const Rungs& rungs, std::uint32_t k) {
  std::vector<Policy> policies{default_policy()};
  for (const std::uint32_t width : rungs.graphs) {
    std::vector<index::Stage> stages{{rungs.coded, finalists(rungs, k)}};
    if (width < rungs.coded) stages.insert(stages.begin(), {width, 2 * k});
    const std::uint32_t pool = stages.front().shortlist;
    policies.push_back(ladder(std::move(stages), {pool, 0}));
  }
  return policies;
}

std::vector<Policy> walk_sweep(std::uint32_t width, std::uint32_t k) {
  std::vector<Policy> policies;
  for (const double factor : {1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0}) {
    const auto pool = static_cast<std::uint32_t>(k * factor);
    policies.push_back(ladder({{width, pool}}, {pool, 0}));
  }
  return policies;
}

}  // namespace nestor::bench
