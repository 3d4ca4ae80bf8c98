#include "client/cli/self_test.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "index/error.h"

namespace nestor::client {
namespace {

using index::Error;
using index::ErrorCode;
using index::PointId;

constexpr std::uint64_t kRows = 1000, kDotRows = 50;

double squared_norm(std::span<const float> vector) {
  double sum = 0;
  for (const float x : vector) sum += double{x} * x;
  return sum;
}

// What rounding to float16 can move, 2^-11 of each coordinate, with room to spare.
double tolerance(const index::CollectionOptions& options, double norm) {
  return options.metric == index::Metric::cosine ? 1e-4 : 1e-5 * norm + 1e-9;
}

void check_stored(const index::Collection& collection, std::uint64_t row, std::span<const float> vector) {
  const auto& options = collection.options();
  const PointId id = PointId::number(row);
  const double norm = squared_norm(vector);
  const float d = collection.rows().distances(vector, {&id, 1}).front();
  const double off = options.metric == index::Metric::dot ? std::fabs(-d - norm) : d;
  const double most = options.metric == index::Metric::dot ? 1e-3 * norm + 1e-6 : tolerance(options, norm);
  if (off <= most) return;
  throw Error(ErrorCode::data_loss, "self-test: row " + std::to_string(row) +
                                        " of the file and the point stored for it differ (by " + std::to_string(off) +
                                        "): the import cannot be trusted");
}

bool finds_itself(const index::Collection& collection, std::uint64_t row, std::span<const float> vector) {
  const auto& options = collection.options();
  index::SearchOptions search;
  search.k = 3;
  const auto found = collection.search(vector, search).hits;
  if (found.empty()) return false;
  if (options.metric != index::Metric::dot)
    return found.front().id == PointId::number(row) ||
           found.front().distance <= tolerance(options, squared_norm(vector));
  search.exact = true;
  const auto exact = collection.search(vector, search).hits;
  return found.front().distance <= exact.front().distance + 1e-3 * std::fabs(exact.front().distance) + 1e-6;
}

}  // namespace

SelfTestReport self_test(const index::Collection& collection, storage::VectorSource& keys) {
  const bool dot = collection.options().metric == index::Metric::dot;
  const std::uint64_t wanted = std::min<std::uint64_t>(dot ? kDotRows : kRows, keys.rows());
  SelfTestReport report;
  std::vector<float> vector;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const std::uint64_t row = i * keys.rows() / wanted;
    if (!collection.get(PointId::number(row), false, false)) continue;  // skipped, or trimmed
    keys.seek(row);
    keys.read_rows(1, vector);
    if (collection.options().metric == index::Metric::cosine && squared_norm(vector) == 0) continue;
    ++report.rows;
    check_stored(collection, row, vector);
    report.found += finds_itself(collection, row, vector) ? 1 : 0;
  }
  if (report.found * 100 < report.rows * 98)
    throw Error(ErrorCode::data_loss, "self-test: only " + std::to_string(report.found) + " of " +
                                          std::to_string(report.rows) +
                                          " rows find themselves: the graph does not serve these keys; another metric, "
                                          "--candidates-at-build or a wider graph may");
  return report;
}

}  // namespace nestor::client
