#include "index/layout_choice.h"

#include <algorithm>

#include "index/parallel.h"

namespace nestor::index {
namespace {

constexpr std::size_t kDeepestWalk = 150, kDeepestRanking = 100;  // in the middle of 400 candidates; ranked exactly
constexpr double kShare = 0.995;
constexpr std::uint32_t kWidestTurned = 512;  // coordinates a query may be rotated to

// How many rows come before each neighbour in the order of keys; of those with the same key half. originals: the rows
// that count.
std::vector<std::size_t> places(const std::vector<std::uint32_t>& keys, std::span<const std::uint32_t> originals,
                                const std::vector<std::uint32_t>& neighbours, std::uint32_t self) {
  std::vector<std::size_t> out;
  for (const std::uint32_t row : neighbours) {
    const std::uint32_t key = keys[row];
    std::size_t nearer = 0, equal = 0;
    for (const std::uint32_t other : originals) {
      nearer += keys[other] < key;
      equal += keys[other] == key;
    }
    if (self != kNoSlot && nearer > 0 && keys[self] < key) --nearer;
    out.push_back(nearer + equal / 2);
  }
  return out;
}

std::size_t at_share(std::vector<std::size_t>& all) {
  if (all.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(kShare * static_cast<double>(all.size() - 1));
  std::nth_element(all.begin(), all.begin() + at, all.end());
  return all[static_cast<std::size_t>(at)] + 1;
}

}  // namespace

std::vector<Layout> layouts_to_try(const CollectionOptions& options) {
  const bool asked = options.graphs != default_graphs(options.widths, options.rotation);
  std::vector<Layout> out{Layout::of(options)};
  const auto add = [&](std::uint32_t width, bool rotates) {
    Layout layout = Layout::of(options);
    layout.rotates_codes = rotates;
    layout.coded = rotates ? width : options.dim;
    if (!asked) layout.graphs.clear();
    while (!layout.graphs.empty() && layout.graphs.back() >= width) layout.graphs.pop_back();
    layout.graphs.push_back(width);
    if (std::find(out.begin(), out.end(), layout) == out.end()) out.push_back(std::move(layout));
  };
  if (options.rotation != Rotation::none)
    for (const std::uint32_t width : options.widths)
      if (width > options.graphs.back() && width <= kWidestTurned) add(width, true);
  if (options.rotation != Rotation::none) add(default_graphs(options.widths, Rotation::none).back(), false);
  if (asked) add(options.dim, false);
  Layout mixed = Layout::of(options);
  mixed.rotates_codes = false;
  mixed.mixes_codes = true;
  mixed.coded = options.dim;
  mixed.graphs = {options.dim};
  out.push_back(std::move(mixed));
  Layout rows = Layout::of(options);
  rows.walks_rows = true;
  rows.rotates_codes = false;
  rows.coded = options.dim;
  rows.graphs = {options.dim};
  out.push_back(std::move(rows));
  return out;
}

CodeDepth probe_codes(const CodeBuilder& codes, const CodeBuildInput& input, const RecallQuestions& asked,
                      std::span<const RowCopy> copies) {
  std::vector<bool> copied(input.count, false);
  for (const RowCopy& copy : copies) copied[copy.row] = true;
  std::vector<std::uint32_t> originals;
  for (std::uint32_t r = 0; r < input.count; ++r)
    if (!copied[r]) originals.push_back(r);
  const std::size_t count = std::min(kProbedQuestions, asked.questions.size());
  const std::uint32_t walked = input.layout->graphs.back(), coded = input.layout->coded;
  std::vector<std::size_t> by_walk, by_codes;
  std::vector<std::vector<std::size_t>> walk_places(count), code_places(count);
  parallel_blocks(count, 1, input.threads, [&](std::size_t q, std::size_t) {
    const RecallQuestions::Question& question = asked.questions[q];
    QueryCode code;
    code.assign(codes.quantizer(), input.options->metric, codes.coded(question.vector.data(), 1).data());
    std::vector<std::uint32_t> rows(input.count), keys(input.count);
    for (std::size_t r = 0; r < input.count; ++r) rows[r] = static_cast<std::uint32_t>(r);
    const CodeMatrix matrix = codes.matrix();
    const PrefixScorer score(matrix, codes.quantizer(), code, walked);
    score(rows.data(), rows.size(), keys.data());
    walk_places[q] = places(keys, originals, asked.nearest[q], question.row);
    const std::size_t length = codes.quantizer().code_length(coded);
    matrix.sums(code, 0, length, rows.data(), rows.size(), reinterpret_cast<std::int32_t*>(keys.data()));
    if (!code.is_l2())
      for (std::uint32_t& key : keys)
        key = PrefixScorer::clamp_key(code.base(coded) - static_cast<std::int32_t>(key));
    code_places[q] = places(keys, originals, asked.nearest[q], question.row);
  });
  for (std::size_t q = 0; q < count; ++q) {
    by_walk.insert(by_walk.end(), walk_places[q].begin(), walk_places[q].end());
    by_codes.insert(by_codes.end(), code_places[q].begin(), code_places[q].end());
  }
  CodeDepth depth{at_share(by_walk), at_share(by_codes), false};
  depth.enough = depth.walked <= kDeepestWalk && depth.ranked <= kDeepestRanking;
  return depth;
}

std::string describe(const CodeDepth& depth, const Layout& layout, std::uint32_t dim, std::size_t questions) {
  return "99.5 % of the 10 neighbours of " + std::to_string(std::min(questions, kProbedQuestions)) +
         " rows are among the " + std::to_string(std::max(depth.walked, depth.ranked)) + " nearest by " +
         layout.describe(dim);
}

}  // namespace nestor::index
