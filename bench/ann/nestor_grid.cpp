#include "bench/ann/nestor_grid.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <set>
#include <sstream>
#include <stdexcept>

namespace nestor::bench::ann {
namespace {

using Ladder = std::vector<index::Stage>;

std::uint32_t parse_number(const std::string& text, const std::string& whole) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::runtime_error("ladder '" + whole + "' is not WIDTH:SHORTLIST,WIDTH:SHORTLIST,...");
  return value;
}

Ladder parse_ladder(const std::string& text) {
  Ladder ladder;
  std::stringstream stream(text);
  for (std::string stage; std::getline(stream, stage, ',');) {
    const std::size_t colon = stage.find(':');
    if (colon == std::string::npos) parse_number("?", text);
    ladder.push_back({parse_number(stage.substr(0, colon), text), parse_number(stage.substr(colon + 1), text)});
  }
  return ladder;
}

std::string name_of(const Ladder& ladder) {
  std::string name;
  for (const index::Stage& stage : ladder)
    name += (name.empty() ? "" : " > ") + std::to_string(stage.width) + ":" + std::to_string(stage.shortlist);
  return name;
}

// Walks over the three widest widths that the graph covers: a narrower one reads less a hop and needs longer lists.
std::vector<Ladder> usual_ladders(const index::CollectionOptions& collection, std::size_t k) {
  const std::uint32_t dim = collection.dim, graph = collection.graphs.empty() ? dim : collection.graphs.back();
  const auto times = [&](double factor, std::uint32_t least) {
    return static_cast<std::uint32_t>(std::max(factor * static_cast<double>(k), static_cast<double>(k + least)));
  };
  std::vector<std::uint32_t> walks;
  for (const std::uint32_t width : collection.widths)
    if (width <= graph && (width >= 64 || width == graph)) walks.push_back(width);
  if (walks.size() > 3) walks.erase(walks.begin(), walks.end() - 3);
  std::vector<Ladder> ladders;
  for (const std::uint32_t width : walks) {
    if (width == dim) {
      for (const std::uint32_t finalists : {times(1.02, 2), times(1.06, 5), times(1.15, 10)})
        ladders.push_back({{dim, finalists}});
      continue;
    }
    const bool large = k > 16;
    for (const double factor : large ? std::vector<double>{1.3, 2, 4} : std::vector<double>{2.5, 5, 10})
      for (const std::uint32_t finalists : {times(1.03, 4), times(1.15, 10)}) {
        const std::uint32_t shortlist = times(factor, 15);
        if (shortlist > finalists) ladders.push_back({{width, shortlist}, {dim, finalists}});
      }
  }
  return ladders;
}

NestorPolicy ladder_policy(const Ladder& ladder, double gap, std::size_t pool, std::size_t k) {
  NestorPolicy policy;
  policy.options.k = static_cast<std::uint32_t>(k);
  policy.options.stages = ladder;
  policy.options.candidates_to_explore = static_cast<std::uint32_t>(pool);
  policy.options.distance_gap = static_cast<float>(gap);
  char end[48];
  if (gap > 0)
    std::snprintf(end, sizeof end, ", gap %.3g, pool %zu", gap, pool);
  else
    std::snprintf(end, sizeof end, ", ef %zu", pool);
  policy.setting.label = name_of(ladder) + end;
  return policy;
}

}  // namespace

std::vector<NestorPolicy> nestor_policies(const NestorGrid& grid, const index::CollectionOptions& collection,
                                          std::size_t k) {
  std::vector<NestorPolicy> policies(1);
  policies[0].setting = {"default", false};
  policies[0].options.k = static_cast<std::uint32_t>(k);

  std::vector<double> gaps = grid.gaps;
  if (gaps.empty()) gaps = {0.02, 0.04, 0.06, 0.08, 0.10, 0.13, 0.16, 0.20, 0.25, 0.32, 0.40, 0.60};
  // Dot products have no zero to be relative to, and for large k the k-th neighbour is too far to stop by.
  const bool gap_works = collection.metric != index::Metric::dot && k <= 200;
  if (gap_works)
    for (const double gap : gaps) {
      NestorPolicy policy = policies[0];
      policy.options.distance_gap = static_cast<float>(gap);
      char label[48];
      std::snprintf(label, sizeof label, "default ladder, gap %.3g", gap);
      policy.setting = {label, true};
      policies.push_back(policy);
    }

  std::vector<Ladder> ladders;
  for (const std::string& text : grid.ladders) ladders.push_back(parse_ladder(text));
  if (ladders.empty()) ladders = usual_ladders(collection, k);
  std::vector<std::size_t> pools = grid.pools;
  // A small pool bounds the slowest queries, a large one lets the widest gaps find the last neighbours.
  if (pools.empty())
    pools = k <= 16 ? std::vector<std::size_t>{120, 400, 1500} : std::vector<std::size_t>{k + k / 8, k + k / 2, 4 * k};
  for (const Ladder& ladder : ladders) {
    if (ladder.empty() || ladder.back().shortlist < k) continue;
    if (gap_works)
      for (const std::size_t pool : pools)
        for (const double gap : gaps) policies.push_back(ladder_policy(ladder, gap, pool, k));
    // The plain way to end a walk, for comparison: so many candidates are expanded. For large k fewer than are kept.
    std::set<std::size_t> plain;
    for (const double factor : k > 16 ? std::vector<double>{0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.7, 2.5}
                                      : std::vector<double>{1.5, 2.0, 3.0, 5.0})
      plain.insert(static_cast<std::size_t>(factor * static_cast<double>(k)));
    for (const std::size_t pool : plain) policies.push_back(ladder_policy(ladder, 0, pool, k));
  }
  return policies;
}

}  // namespace nestor::bench::ann
