#include "index/policy_choice.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "index/distance.h"
#include "index/error.h"
#include "index/exact_scan.h"
#include "index/ladder.h"
#include "index/parallel.h"
#include "index/row_list.h"

namespace nestor::index {
namespace {

struct PolicyBytes {
  std::uint32_t version;
  float gap, wanted, measured;
};
constexpr std::uint32_t kVersion = 1;

constexpr std::uint32_t kNeighbours = 10;
constexpr float kWorthwhile = 0.002f;  // recall that a wider gap has to gain
constexpr float kCautiousGap = 0.20f;  // recall@10 about 0.997 on real keys
constexpr float kLeastGap = 0.06f;
constexpr float kGaps[] = {0.01f, 0.02f, 0.04f, kLeastGap, 0.08f, 0.10f, 0.13f, 0.16f, 0.20f, 0.25f, 0.32f, 0.40f};

// Rows asked for their neighbours, and the exact answers, the row itself left out.
struct Questions {
  std::vector<std::uint32_t> rows;
  std::vector<PreparedQuery> queries;
  std::vector<std::vector<std::uint32_t>> nearest;  // ascending row numbers
  double live_share = 1;
};

std::vector<float> stored_row(const RowMatrix& matrix, std::uint32_t row) {
  std::vector<float> out(matrix.dim);
  if (matrix.scalar_type == ScalarType::float16)
    kernels().f32_from_f16(reinterpret_cast<const std::uint16_t*>(matrix.row(row)), out.data(), matrix.dim);
  else
    std::memcpy(out.data(), matrix.row(row), matrix.dim * sizeof(float));
  return out;
}

Questions ask_exactly(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
                      unsigned threads) {
  constexpr std::size_t kTogether = 16;  // queries that share one pass over the rows
  const std::vector<std::uint32_t> all = list_rows(generation, dead, {});
  const std::size_t n = std::min(kPolicyQueries, all.size());
  Questions out;
  out.live_share = static_cast<double>(all.size()) / static_cast<double>(generation.rows());
  for (std::size_t i = 0; i < n; ++i) {
    // From the middle of each stretch: rows often stand in an order that says something.
    const std::uint32_t row = all[(2 * i + 1) * all.size() / (2 * n)];
    out.rows.push_back(row);
    out.queries.push_back(prepare_query(options, generation, stored_row(generation.matrix(), row), {}));
  }
  out.nearest.resize(n);
  parallel_blocks(n, kTogether, threads, [&](std::size_t first, std::size_t last) {
    std::vector<const PreparedQuery*> asked;
    for (std::size_t i = first; i < last; ++i) asked.push_back(&out.queries[i]);
    const auto answers =
        scan_generation({&generation, options.metric, options.dim, asked, kNeighbours + 1, false}, all);
    for (std::size_t i = first; i < last; ++i) {
      for (const RankedRow& r : answers[i - first].rows)
        if (r.row != out.rows[i] && out.nearest[i].size() < kNeighbours) out.nearest[i].push_back(r.row);
      std::sort(out.nearest[i].begin(), out.nearest[i].end());
    }
  });
  return out;
}

// The row asked for is hidden from its walk. Met, it would make the question easy: its links are the answer. (Keys of a
// language model, real queries: 0.974 by the gap that found 0.995 for rows that met themselves.)
double recall_at(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
                 const Questions& questions, float gap, unsigned threads) {
  SearchOptions search;
  search.k = kNeighbours;
  search.distance_gap = gap;
  LadderPlan common = plan_ladder(options, generation, search);
  common.live_share = questions.live_share;
  const RowFilter filter(generation, dead, {});
  std::atomic<std::size_t> found{0}, wanted{0};
  parallel_blocks(questions.queries.size(), 8, threads, [&](std::size_t first, std::size_t last) {
    LadderPlan plan = common;
    for (std::size_t i = first; i < last; ++i) {
      plan.hidden = questions.rows[i];
      const auto answer =
          search_ladder(generation, options.metric, questions.queries[i], plan, filter, search.k, false);
      for (const RankedRow& r : answer.rows)
        found += std::binary_search(questions.nearest[i].begin(), questions.nearest[i].end(), r.row);
      wanted += questions.nearest[i].size();
    }
  });
  return wanted == 0 ? 1.0 : static_cast<double>(found) / static_cast<double>(wanted);
}

}  // namespace

std::vector<std::byte> DefaultPolicy::to_bytes() const {
  const PolicyBytes bytes{kVersion, gap, wanted_recall, measured_recall};
  std::vector<std::byte> out(sizeof bytes);
  std::memcpy(out.data(), &bytes, sizeof bytes);
  return out;
}

DefaultPolicy DefaultPolicy::from_bytes(std::span<const std::byte> section) {
  PolicyBytes bytes{};
  if (section.size() == sizeof bytes) std::memcpy(&bytes, section.data(), sizeof bytes);
  if (bytes.version != kVersion || !(bytes.gap > 0 && bytes.gap < 100))
    throw Error(ErrorCode::data_loss, "the generation's default policy cannot be read");
  return {bytes.gap, bytes.wanted, bytes.measured};
}

PolicyChoice choose_policy(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
                           double wanted_recall, unsigned threads) {
  const Questions questions = ask_exactly(generation, options, dead, threads);
  std::vector<DefaultPolicy> tried;
  for (const float gap : kGaps) {
    // Where rows differ in length, products are far from the largest there could be, and a little of it is much.
    if (gap < kLeastGap && options.metric != Metric::dot) continue;
    const double recall = recall_at(generation, options, dead, questions, gap, threads);
    tried.push_back({gap, static_cast<float>(wanted_recall), static_cast<float>(recall)});
    if (recall >= wanted_recall) break;
  }
  PolicyChoice choice{tried.back(), {}};
  // Where no gap finds enough, what is missing is lost elsewhere, in the graph or between codes and rows, and the
  // widest gap would cost much and gain nothing; but queries may lie farther from the rows than rows do.
  if (choice.policy.measured_recall < choice.policy.wanted_recall)
    choice.policy = *std::find_if(tried.begin(), tried.end(), [&](const DefaultPolicy& policy) {
      return policy.gap >= kCautiousGap && policy.measured_recall >= tried.back().measured_recall - kWorthwhile;
    });
  char text[160];
  std::snprintf(
      text, sizeof text,
      "searches stop at a distance gap of %.2f: it finds %.1f %% of the 10 neighbours of %zu rows, each hidden from "
      "its own search (wanted recall %.3g)",
      static_cast<double>(choice.policy.gap), 100.0 * static_cast<double>(choice.policy.measured_recall),
      questions.queries.size(), wanted_recall);
  choice.reason = text;
  return choice;
}

}  // namespace nestor::index
