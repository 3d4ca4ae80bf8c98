#include "index/walk_effort.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "index/beam_search.h"
#include "index/distance.h"
#include "index/generation.h"
#include "index/walk_scorer.h"

namespace nestor::index {
namespace {

constexpr std::uint32_t kFew = 32, kMany = 512, kWalks = 8, kCountedK = 10, kGapPool = 400;
constexpr float kGap = 0.2f;  // where the build chose none

// A row as the codes see it.
std::vector<float> coded_row(const Generation& generation, std::uint32_t row) {
  const RowMatrix& matrix = generation.matrix();
  std::vector<float> values(matrix.dim);
  if (matrix.scalar_type == ScalarType::float16)
    kernels().f32_from_f16(reinterpret_cast<const std::uint16_t*>(matrix.row(row)), values.data(), matrix.dim);
  else
    std::memcpy(values.data(), matrix.row(row), matrix.dim * sizeof(float));
  if (!generation.codes_turned()) return values;
  std::vector<float> rotated(generation.quantizer().dim());
  generation.turn(values, rotated);
  return rotated;
}

}  // namespace

WalkEffort WalkEffort::measure(const Generation& generation, const WidthGraph& graph, Metric metric) {
  WalkEffort effort;
  effort.rows_ = static_cast<double>(generation.rows());
  WalkScratch scratch;
  QueryCode code;
  for (std::uint32_t i = 0; i < kWalks; ++i) {
    const auto row = static_cast<std::uint32_t>(generation.rows() * (2 * i + 1) / (2 * kWalks));
    code.assign(generation.quantizer(), metric, coded_row(generation, row).data());
    const auto count = [&](std::uint32_t explore, float gap) {
      const WalkLimits limits{.pool = explore, .explore = explore, .k = kCountedK, .keep = kCountedK, .gap = gap};
      WalkScorer score(generation.codes(), generation.quantizer(), code, graph.width);
      return static_cast<double>(walk(graph.graph, score, limits, {}, scratch).evaluations) / kWalks;
    };
    effort.few_ += count(kFew, 0);
    effort.many_ += count(kMany, 0);
    effort.to_gap_ += count(kGapPool, generation.default_gap().value_or(metric == Metric::dot ? 0.0f : kGap));
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
