#include "index/walk_effort.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "index/beam_search.h"
#include "index/generation.h"

namespace nestor::index {
namespace {

constexpr std::uint32_t kFew = 32, kMany = 512, kWalks = 8, kCountedK = 10, kGapPool = 400;
constexpr float kGap = 0.2f;

// A row as its code has it.
std::vector<float> decode_row(const Generation& generation, std::uint32_t row) {
  const Quantizer& quantizer = generation.quantizer();
  std::vector<std::uint8_t> code(quantizer.row_length());
  for (const CodeSegment& segment : generation.codes().segments())
    std::copy_n(segment.data + static_cast<std::size_t>(row) * segment.stride(), segment.stride(),
                code.data() + segment.first);
  std::vector<float> values(quantizer.dim());
  for (std::size_t j = 0; j < values.size(); ++j)
    values[j] = quantizer.offset(j) + quantizer.step() * static_cast<float>(code[quantizer.position(j)]);
  return values;
}

}  // namespace

WalkEffort WalkEffort::measure(const Generation& generation, const WidthGraph& graph, Metric metric) {
  WalkEffort effort;
  effort.rows_ = static_cast<double>(generation.rows());
  WalkScratch scratch;
  QueryCode code;
  for (std::uint32_t i = 0; i < kWalks; ++i) {
    const auto row = static_cast<std::uint32_t>(generation.rows() * (2 * i + 1) / (2 * kWalks));
    code.assign(generation.quantizer(), metric, decode_row(generation, row).data());
    const PrefixScorer score(generation.codes(), generation.quantizer(), code, graph.width);
    const auto count = [&](std::uint32_t explore, float gap) {
      const WalkLimits limits{.pool = explore, .explore = explore, .k = kCountedK, .keep = kCountedK, .gap = gap};
      return static_cast<double>(walk(graph.graph, score, limits, {}, scratch).evaluations) / kWalks;
    };
    effort.few_ += count(kFew, 0);
    effort.many_ += count(kMany, 0);
    effort.to_gap_ += count(kGapPool, metric == Metric::dot ? 0.0f : kGap);
  }
  return effort;
}

double WalkEffort::evaluations(double explore) const {
  if (few_ <= 0) return 0;
  const double exponent = std::log(std::max(many_ / few_, 1.0)) / std::log(double{kMany} / kFew);
  return std::min(rows_, few_ * std::pow(explore / kFew, exponent));
}

double WalkEffort::evaluations_to_gap(std::uint32_t k) const {
  // As if the pool that the gap leaves grew with k: close enough for a choice between ways that cost about the same.
  const double grown = k <= kCountedK ? 1.0 : evaluations(k) / std::max(evaluations(kCountedK), 1.0);
  return std::min(rows_, to_gap_ * grown);
}

}  // namespace nestor::index
