#include "tests/support/exact_answers.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "index/parallel.h"
#include "index/top_k.h"

namespace nestor::tests {
namespace {

using index::Metric;

constexpr std::size_t kQueriesAtOnce = 16, kRowsAtOnce = 64;  // what stays in the caches meanwhile
constexpr std::size_t kLanes = 16;                            // sums side by side, so that a compiler may vectorise

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return sum;
}

double length(std::span<const float> v) { return std::sqrt(dot(v, v)); }

template <class Term>
float sum_of_terms(const float* a, const float* b, std::size_t dim, Term term) {
  float lanes[kLanes] = {};
  std::size_t j = 0;
  for (; j + kLanes <= dim; j += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += term(a[j + l], b[j + l]);
  for (; j < dim; ++j) lanes[0] += term(a[j], b[j]);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

float rough_distance(Metric metric, const float* a, const float* b, std::size_t dim) {
  if (metric == Metric::dot) return -sum_of_terms(a, b, dim, [](float x, float y) { return x * y; });
  return sum_of_terms(a, b, dim, [](float x, float y) { return (x - y) * (x - y); });
}

std::vector<float> unit_vectors(std::span<const float> vectors, std::size_t dim) {
  std::vector<float> units(vectors.begin(), vectors.end());
  for (std::size_t at = 0; at < units.size(); at += dim) {
    const double norm = length(vectors.subspan(at, dim));
    for (std::size_t j = at; j < at + dim; ++j) units[j] = static_cast<float>(units[j] / norm);
  }
  return units;
}

}  // namespace

double exact_distance(Metric metric, std::span<const float> a, std::span<const float> b) {
  if (metric == Metric::dot) return -dot(a, b);
  if (metric == Metric::cosine) return 1 - dot(a, b) / (length(a) * length(b));
  double sum = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += difference * difference;
  }
  return sum;
}

ExactAnswers::ExactAnswers(const Questions& questions, std::size_t depth, unsigned threads) : questions_(questions) {
  const std::size_t dim = questions.dim, rows = questions.rows.size() / dim;
  queries_ = questions.queries.size() / dim;
  depth_ = std::min(depth, rows);
  rows_.resize(queries_ * depth_);
  distances_.resize(queries_ * depth_);
  std::vector<float> row_units, query_units;
  std::span<const float> row_values = questions.rows, query_values = questions.queries;
  if (questions.metric == Metric::cosine) {
    row_values = row_units = unit_vectors(questions.rows, dim);
    query_values = query_units = unit_vectors(questions.queries, dim);
  }
  const std::size_t kept = std::min(rows, depth_ + std::max<std::size_t>(32, depth_ / 4));  // float32 misplaces a few
  index::parallel_blocks(
      queries_, kQueriesAtOnce, index::thread_count(threads), [&](std::size_t first, std::size_t last) {
        std::vector<index::TopK> nearest(last - first, index::TopK(kept));
        for (std::size_t block = 0; block < rows; block += kRowsAtOnce)
          for (std::size_t q = first; q < last; ++q)
            for (std::size_t r = block; r < std::min(rows, block + kRowsAtOnce); ++r)
              nearest[q - first].offer(
                  rough_distance(questions.metric, query_values.data() + q * dim, row_values.data() + r * dim, dim),
                  static_cast<std::uint32_t>(r));
        for (std::size_t q = first; q < last; ++q) {
          std::vector<std::pair<double, std::uint32_t>> exact;
          for (const auto& [rough, r] : nearest[q - first].take())
            exact.emplace_back(exact_distance(questions.metric, questions.queries.subspan(q * dim, dim),
                                              questions.rows.subspan(r * dim, dim)),
                               r);
          std::sort(exact.begin(), exact.end());
          for (std::size_t i = 0; i < depth_; ++i) {
            distances_[q * depth_ + i] = exact[i].first;
            rows_[q * depth_ + i] = exact[i].second;
          }
        }
      });
}

double ExactAnswers::limit(std::size_t query, std::size_t k) const {
  const double last = distance_of(query, k - 1);
  double tiny = 1e-42;
  if (questions_.metric == Metric::cosine) tiny = 3e-7;
  if (questions_.metric == Metric::dot)
    tiny = 3e-7 * length(questions_.queries.subspan(query * questions_.dim, questions_.dim)) *
           length(questions_.rows.subspan(rows_of(query)[k - 1] * questions_.dim, questions_.dim));
  return last + 1e-5 * std::abs(last) + tiny;
}

double ExactAnswers::recall(std::size_t query, std::size_t k, std::span<const std::uint64_t> found) const {
  const double farthest = limit(query, k);
  const std::set<std::uint64_t> once(found.begin(), found.end());  // a row told twice is found once
  std::size_t right = 0;
  for (const std::uint64_t row : once)
    right += exact_distance(questions_.metric, questions_.queries.subspan(query * questions_.dim, questions_.dim),
                            questions_.rows.subspan(row * questions_.dim, questions_.dim)) <= farthest;
  return static_cast<double>(std::min(right, k)) / static_cast<double>(k);
}

}  // namespace nestor::tests
