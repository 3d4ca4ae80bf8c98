#include "bench/scan/scan_rounds.h"

#include <cblas.h>
#include <algorithm>
#include <functional>
#include <numeric>
#include <ostream>
#include <set>

#include "bench/scan/thread_seconds.h"
#include "bench/table.h"
#include "index/exact_scan.h"
#include "index/top_k.h"

namespace nestor::bench::scan {
namespace {

constexpr std::size_t kBlasRows = 4096;

struct Way {
  std::string name;
  std::size_t batch;
  std::size_t queries;  // a round takes so many
  bool codes;           // reads code bytes
  std::function<std::vector<index::RowAnswer>(std::size_t first, std::size_t count)> run;
  std::vector<double> seconds{};  // a query, one per round
  std::vector<index::RowAnswer> answers{};
};

// The k nearest by |x|^2 - 2 q.x, a matrix product a block; `select` false: the product alone.
class Blas {
 public:
  Blas(const ann::ComparisonData& data) : data_(data), norms_(data.rows) {
    for (std::size_t r = 0; r < data.rows; ++r) {
      const float* row = data.base.data() + r * data.dim;
      norms_[r] = std::inner_product(row, row + data.dim, row, 0.0f);
    }
  }
  void run(const float* queries, std::size_t count, std::uint32_t k, bool select) {
    scores_.resize(count * kBlasRows);
    std::vector<index::TopK> best(count, index::TopK(k));
    const auto dim = static_cast<int>(data_.dim);
    for (std::size_t row = 0; row < data_.rows; row += kBlasRows) {
      const std::size_t n = std::min(kBlasRows, data_.rows - row);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(count), static_cast<int>(n), dim, -2.0f,
                  queries, dim, data_.base.data() + row * data_.dim, dim, 0.0f, scores_.data(),
                  static_cast<int>(kBlasRows));
      for (std::size_t q = 0; select && q < count; ++q)
        for (std::size_t i = 0; i < n; ++i)
          best[q].offer(scores_[q * kBlasRows + i] + norms_[row + i], static_cast<std::uint32_t>(row + i));
    }
    for (std::size_t q = 0; select && q < count; ++q) sink_ += best[q].take().front().second;
  }

 private:
  const ann::ComparisonData& data_;
  std::vector<float> norms_, scores_;
  std::size_t sink_ = 0;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

bool same(const std::vector<index::RowAnswer>& a, const std::vector<index::RowAnswer>& b) {
  for (std::size_t q = 0; q < std::min(a.size(), b.size()); ++q)
    if (!std::equal(a[q].rows.begin(), a[q].rows.end(), b[q].rows.begin(), b[q].rows.end(),
                    [](const index::RankedRow& x, const index::RankedRow& y) {
                      return x.row == y.row && x.distance == y.distance;
                    }))
      return false;
  return true;
}

void run_round(Way& way) {
  way.answers.clear();
  const double start = thread_seconds();
  for (std::size_t first = 0; first < way.queries; first += way.batch) {
    auto found = way.run(first, std::min(way.batch, way.queries - first));
    way.answers.insert(way.answers.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  way.seconds.push_back((thread_seconds() - start) / static_cast<double>(way.queries));
}

// Rows ranked exactly, on average.
double survivors(const std::vector<index::RowAnswer>& answers) {
  double sum = 0;
  for (const auto& answer : answers)
    for (const auto& stage : answer.stages)
      if (stage.name == "rerank") sum += static_cast<double>(stage.candidates_in);
  return answers.empty() ? 0 : sum / static_cast<double>(answers.size());
}

}  // namespace

bool compare_scans(const ann::ComparisonData& data, const BuiltRows& rows, const ScanRounds& rounds,
                   std::ostream& out) {
  const auto prepared = rows.prepare(data.queries, std::min<std::size_t>(64, data.tune + data.test));
  std::vector<const index::PreparedQuery*> asked;
  for (const auto& query : prepared) asked.push_back(&query);
  std::vector<std::uint32_t> all(data.rows);
  std::iota(all.begin(), all.end(), 0u);
  const double code_bytes =
      static_cast<double>(data.rows) * static_cast<double>(rows.generation->quantizer().row_length());
  Blas blas(data);
  bool agree = true;
  for (const std::uint32_t k : rounds.neighbours) {
    const auto request = [&](std::size_t first, std::size_t count) {
      return index::ScanRequest{
          rows.generation.get(), rows.options.metric, data.dim, std::span(asked).subspan(first, count), k, true};
    };
    std::vector<Way> ways;
    for (const std::size_t batch : rounds.batches)
      ways.push_back(
          {"codes", batch, std::min<std::size_t>(asked.size(), std::max<std::size_t>(batch, 16)), true,
           [&](std::size_t first, std::size_t count) { return scan_generation(request(first, count), all); }});
    ways.push_back({"rows", 16, 16, false,
                    [&](std::size_t first, std::size_t count) { return scan_rows(request(first, count), all); }});
    for (const bool select : {false, true})
      for (const std::size_t batch : {std::size_t{32}, std::size_t{64}})
        ways.push_back({select ? "sgemm + top k" : "sgemm alone", batch, asked.size(), false,
                        [&, select](std::size_t first, std::size_t count) {
                          blas.run(data.queries.data() + first * data.dim, count, k, select);
                          return std::vector<index::RowAnswer>();
                        }});
    for (std::size_t round = 0; round <= rounds.rounds; ++round)
      for (Way& way : ways) {
        run_round(way);
        if (round == 0) way.seconds.clear();  // warms up
      }
    const double blas_seconds = std::min(median(ways[ways.size() - 1].seconds), median(ways[ways.size() - 2].seconds));
    Table table({"k = " + std::to_string(k), "batch", "us/query", "M rows/s", "GB/s codes", "x sgemm + top k",
                 "ranked exactly"});
    for (const Way& way : ways) {
      const double seconds = median(way.seconds);
      table.add({way.name, std::to_string(way.batch), grouped(seconds * 1e6),
                 fixed(static_cast<double>(data.rows) / seconds / 1e6, 0),
                 way.codes ? fixed(code_bytes / seconds / 1e9, 1) : "", fixed(blas_seconds / seconds, 2),
                 way.codes ? fixed(survivors(way.answers), 1) : ""});
      if (way.codes && !same(way.answers, ways[rounds.batches.size()].answers)) {
        out << "WRONG: codes in batches of " << way.batch << " and rows disagree\n";
        agree = false;
      }
    }
    table.print(out);
    out << '\n';
  }
  return agree;
}

}  // namespace nestor::bench::scan
