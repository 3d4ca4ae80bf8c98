#include "bench/ann/ground_truth.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "bench/ann/hdf5_file.h"
#include "index/parallel.h"
#include "tests/support/exact_answers.h"

namespace nestor::bench::ann {
namespace {

constexpr std::size_t kQueriesAtOnce = 32, kRowsAtOnce = 4096;  // scores of a block: 512 KB

// The `capacity` smallest of what is offered.
class Nearest {
 public:
  explicit Nearest(std::size_t capacity) : capacity_(capacity) {}
  void offer(float score, std::int32_t row) {
    if (heap_.size() == capacity_ && score >= heap_.front().first) return;
    if (heap_.size() == capacity_) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
    }
    heap_.emplace_back(score, row);
    std::push_heap(heap_.begin(), heap_.end());
  }
  const std::vector<std::pair<float, std::int32_t>>& entries() const { return heap_; }

 private:
  std::size_t capacity_;
  std::vector<std::pair<float, std::int32_t>> heap_;
};

std::vector<float> squared_norms(const Rows& rows, unsigned threads) {
  std::vector<float> norms(rows.count);
  index::parallel_blocks(rows.count, 4096, threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      double norm = 0;
      for (std::size_t j = 0; j < rows.dim; ++j) norm += static_cast<double>(rows.row(i)[j]) * rows.row(i)[j];
      norms[i] = static_cast<float>(norm);
    }
  });
  return norms;
}

// One block of queries against all rows: |x|^2 - 2 q.x orders as the distance does.
void find_block(const ComparisonData& data, const std::vector<float>& norms, std::size_t first, std::size_t last,
                std::size_t depth, std::int32_t* out) {
  const Rows base = data.base_rows(), queries = data.all_queries();
  const auto dim = static_cast<int>(data.dim);
  // float32 orders a few at the end wrongly; they are put right in double below.
  std::vector<Nearest> nearest(last - first,
                               Nearest(std::min(depth + std::max<std::size_t>(32, depth / 4), base.count)));
  std::vector<float> scores((last - first) * kRowsAtOnce);
  for (std::size_t row = 0; row < base.count; row += kRowsAtOnce) {
    const std::size_t n = std::min(kRowsAtOnce, base.count - row);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(last - first), static_cast<int>(n), dim,
                -2.0f, queries.row(first), dim, base.row(row), dim, 0.0f, scores.data(), static_cast<int>(kRowsAtOnce));
    for (std::size_t q = 0; q < last - first; ++q)
      for (std::size_t i = 0; i < n; ++i)
        nearest[q].offer(scores[q * kRowsAtOnce + i] + norms[row + i], static_cast<std::int32_t>(row + i));
  }
  for (std::size_t q = first; q < last; ++q) {
    std::vector<std::pair<double, std::int32_t>> exact;
    for (const auto& [score, row] : nearest[q - first].entries())
      exact.emplace_back(
          exact_distance(data.distance, queries.row(q), base.row(static_cast<std::size_t>(row)), data.dim), row);
    std::sort(exact.begin(), exact.end());
    for (std::size_t i = 0; i < depth; ++i) out[q * depth + i] = i < exact.size() ? exact[i].second : -1;
  }
}

std::vector<std::int32_t> compute_by_differences(const ComparisonData& data, std::size_t depth, unsigned threads) {
  const tests::ExactAnswers answers({metric_of(data.distance), data.dim, data.base, data.queries}, depth, threads);
  std::vector<std::int32_t> ids;
  for (std::size_t q = 0; q < answers.queries(); ++q)
    ids.insert(ids.end(), answers.rows_of(q).begin(), answers.rows_of(q).end());
  return ids;
}

std::vector<std::int32_t> compute(const ComparisonData& data, std::size_t depth, unsigned threads) {
  if (data.close_together || data.distance == Distance::dot) return compute_by_differences(data, depth, threads);
  const std::vector<float> norms = squared_norms(data.base_rows(), threads);
  std::vector<std::int32_t> ids(data.all_queries().count * depth);
  index::parallel_blocks(data.all_queries().count, kQueriesAtOnce, threads, [&](std::size_t first, std::size_t last) {
    find_block(data, norms, first, last, depth, ids.data());
  });
  return ids;
}

}  // namespace

GroundTruth GroundTruth::find(const ComparisonData& data, std::size_t depth, const std::filesystem::path& folder,
                              unsigned threads) {
  depth = std::min(depth, data.rows);
  GroundTruth truth;
  if (data.shipped_depth >= depth) {
    truth.depth_ = data.shipped_depth;
    truth.ids_ = data.shipped;
    truth.source_ = "shipped";
    return truth;
  }
  truth.depth_ = depth;
  const std::size_t count = data.all_queries().count;
  // The queries are part of the name: another seed or another split asks other questions.
  std::uint64_t mark = 1469598103934665603ull;  // FNV-1a over their bytes
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.queries.data());
  for (std::size_t i = 0; i < data.queries.size() * sizeof(float); ++i) mark = (mark ^ bytes[i]) * 1099511628211ull;
  char name[96];
  std::snprintf(name, sizeof name, "truth-%zu-%zu-%016llx.hdf5", depth, count, static_cast<unsigned long long>(mark));
  const std::filesystem::path file = folder / name;
  if (std::filesystem::exists(file)) {
    truth.ids_ = Hdf5File::open(file).read_integers("neighbors").values;
    truth.source_ = "kept from an earlier run";
    return truth;
  }
  truth.ids_ = compute(data, depth, threads);
  truth.source_ = "computed";
  const std::filesystem::path unfinished = file.string() + ".part";
  Hdf5File::create(unfinished).write("neighbors", count, depth, truth.ids_);
  std::filesystem::rename(unfinished, file);
  return truth;
}

double GroundTruth::recall(const ComparisonData& data, std::size_t query, std::span<const std::int32_t> found) const {
  const std::size_t k = found.size();
  const auto nearest = of(query).first(std::min(k, depth_));
  std::vector<std::int32_t> wanted(nearest.begin(), nearest.end()), got(found.begin(), found.end());
  std::sort(wanted.begin(), wanted.end());
  std::sort(got.begin(), got.end());
  got.erase(std::unique(got.begin(), got.end()), got.end());  // a row told twice is found once
  const float* q = data.all_queries().row(query);
  std::optional<double> limit;  // computed when it is needed, which is for the missed ones only
  std::size_t hits = 0;
  for (const std::int32_t row : got) {
    if (row < 0) continue;
    if (std::binary_search(wanted.begin(), wanted.end(), row)) {
      ++hits;
      continue;
    }
    const Rows base = data.base_rows();
    const auto distance_to = [&](std::int32_t number) {
      return exact_distance(data.distance, q, base.row(static_cast<std::size_t>(number)), data.dim);
    };
    if (!limit) {
      const double last = distance_to(nearest.back());
      limit = last + std::abs(last) * (data.close_together ? 1e-5 : 1e-6);
    }
    if (distance_to(row) <= *limit) ++hits;
  }
  return static_cast<double>(std::min(hits, nearest.size())) / static_cast<double>(nearest.size());
}

double GroundTruth::softmax_mass(const ComparisonData& data, std::size_t query, std::span<const std::int32_t> found,
                                 double temperature) const {
  const auto nearest = of(query).first(std::min(found.size(), depth_));
  const float* q = data.all_queries().row(query);
  const Rows base = data.base_rows();
  const auto distance = [&](std::int32_t row) {
    return exact_distance(data.distance, q, base.row(static_cast<std::size_t>(row)), data.dim);
  };
  const double least = distance(nearest.front());
  const auto mass = [&](std::span<const std::int32_t> rows) {
    double sum = 0;
    for (const std::int32_t row : rows) sum += std::exp((least - distance(row)) / temperature);
    return sum;
  };
  const std::set<std::int32_t> once(found.begin(), found.end());
  std::vector<std::int32_t> got(once.begin(), once.end());
  std::erase_if(got, [](std::int32_t row) { return row < 0; });
  return std::min(1.0, mass(got) / mass(nearest));
}

double exact_distance(Distance distance, const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  if (distance == Distance::dot) {
    for (std::size_t j = 0; j < dim; ++j) sum -= static_cast<double>(a[j]) * static_cast<double>(b[j]);
    return sum;
  }
  for (std::size_t j = 0; j < dim; ++j) {
    const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace nestor::bench::ann
