#include "client/cli/recall.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "index/error.h"
#include "storage/import/value_source.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

// Room for the rounding of float32 sums; real neighbours lie much farther apart.
constexpr double kTie = 2e-6;

// Distance of a stored row by the definition, in double; nullopt when the row is gone.
std::optional<double> distance_to(const index::Collection& collection, std::uint64_t row,
                                  std::span<const float> query) {
  const auto record = collection.get(index::PointId::number(row), true, false);
  if (!record) return std::nullopt;
  double squared = 0, product = 0, query_norm = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const double q = query[i], x = record->vector[i];
    squared += (q - x) * (q - x);
    product += q * x;
    query_norm += q * q;
  }
  if (collection.options().metric == index::Metric::l2) return squared;
  if (collection.options().metric == index::Metric::dot) return -product;
  return query_norm > 0 ? 1 - product / std::sqrt(query_norm) : 1.0;
}

}  // namespace

GroundTruth::GroundTruth(const std::string& path, const QueryRows& queries, std::uint32_t k)
    : k_(k), queries_(queries) {
  const auto source = storage::open_value_source(path);
  if (source->rows() != queries.file_rows) {
    throw Error(ErrorCode::invalid_argument, path + " has " + std::to_string(source->rows()) +
                                                 " rows, but the query file has " + std::to_string(queries.file_rows));
  }
  if (source->columns() < k) {
    throw Error(ErrorCode::invalid_argument, path + " has " + std::to_string(source->columns()) +
                                                 " neighbours per query; recall@" + std::to_string(k) + " needs " +
                                                 std::to_string(k));
  }
  source->seek(queries.first);
  std::vector<std::int64_t> row;
  for (std::size_t i = 0; i < queries.count(); ++i) {
    source->read_rows(1, row);
    for (std::uint32_t j = 0; j < k; ++j) {
      if (row[j] >= 0) continue;
      throw Error(ErrorCode::invalid_argument, path + ": row " + std::to_string(queries.first + i) + " holds " +
                                                   std::to_string(row[j]) + "; expected row numbers");
    }
    rows_.emplace_back(row.begin(), row.begin() + k);
  }
}

std::uint32_t GroundTruth::found(std::size_t query, const index::QueryResult& result,
                                 const index::Collection& collection) const {
  const auto& truth = rows_[query];
  std::uint32_t hits = 0;
  std::vector<const index::Hit*> others;
  for (const index::Hit& hit : result.hits) {
    const bool known = !hit.id.is_uuid && std::find(truth.begin(), truth.end(), hit.id.low) != truth.end();
    if (known)
      ++hits;
    else
      others.push_back(&hit);
  }
  // Ties can only be judged where the answer was ranked by the full vector, as the file was.
  if (others.empty() || queries_.dim != collection.options().dim) return hits;
  const auto last = distance_to(collection, truth.back(), queries_.vector(query));
  if (!last) return hits;
  for (const index::Hit* hit : others) {
    if (std::fabs(hit->distance - *last) <= kTie * std::max(1.0, std::fabs(*last))) ++hits;
  }
  return std::min(hits, k_);
}

double GroundTruth::recall(const std::vector<index::QueryResult>& results, const index::Collection& collection) const {
  std::uint64_t hits = 0;
  for (std::size_t i = 0; i < results.size(); ++i) hits += found(i, results[i], collection);
  return results.empty() ? 0 : static_cast<double>(hits) / (static_cast<double>(results.size()) * k_);
}

}  // namespace nestor::client
