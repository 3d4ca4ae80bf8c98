#pragma once
// A collection over stores in memory, with the plain model that its answers are compared with.

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "index/collection.h"
#include "index/error.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

namespace nestor::tests {

inline constexpr std::size_t kDim = 48;

struct CollectionFixture {
  explicit CollectionFixture(Metric metric = Metric::l2, Rotation rotation = Rotation::none,
                             ScalarType scalar = ScalarType::float32) {
    options.dim = kDim;
    options.metric = metric;
    options.scalar_type = scalar;
    options.widths = {16, 32, 48};
    options.graphs = {16, 48};
    options.rotation = rotation;
    options.exact_below = 100;
    open();
  }
  void open() {
    collection = std::make_unique<Collection>("test", options, records, generations,
                                              [this](const std::string& l) { log += l + "\n"; });
  }

  void fill(std::size_t count, std::uint64_t first_id = 0, std::uint64_t stream = 1) {
    const auto rows = nested_vectors(count, kDim, stream);
    std::vector<Point> points;
    for (std::size_t i = 0; i < count; ++i)
      points.push_back(
          {PointId::number(first_id + i), {rows.data() + i * kDim, kDim}, {}, static_cast<std::uint32_t>(i % 7)});
    collection->upsert(points);
    for (std::size_t i = 0; i < count; ++i)
      model[first_id + i] = {rows.begin() + static_cast<long>(i * kDim),
                             rows.begin() + static_cast<long>((i + 1) * kDim)};
  }

  // Plain loops over the model: ids of the k nearest by the first `width` coordinates.
  std::vector<std::uint64_t> brute_force(const float* q, std::size_t width, std::size_t k) const {
    std::vector<std::pair<double, std::uint64_t>> all;
    for (const auto& [id, x] : model) {
      double l2 = 0, dot = 0, qq = 0, xx = 0;
      for (std::size_t j = 0; j < width; ++j) {
        l2 += (q[j] - x[j]) * (q[j] - x[j]);
        dot += q[j] * x[j];
        qq += q[j] * q[j];
        xx += x[j] * x[j];
      }
      all.emplace_back(options.metric == Metric::l2    ? l2
                       : options.metric == Metric::dot ? -dot
                                                       : -dot / std::sqrt(qq * xx),
                       id);
    }
    std::sort(all.begin(), all.end());
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < std::min(k, all.size()); ++i) out.push_back(all[i].second);
    return out;
  }

  CollectionOptions options;
  std::shared_ptr<MemoryRecordStore> records = std::make_shared<MemoryRecordStore>();
  std::shared_ptr<MemoryGenerationStore> generations = std::make_shared<MemoryGenerationStore>();
  std::unique_ptr<Collection> collection;
  std::map<std::uint64_t, std::vector<float>> model;
  std::string log;
};

// Over rows [count x options.dim], ids from 0, with its graphs.
inline std::unique_ptr<Collection> built_collection(const CollectionOptions& options, const std::vector<float>& rows) {
  auto collection = std::make_unique<Collection>("test", options, std::make_shared<MemoryRecordStore>(),
                                                 std::make_shared<MemoryGenerationStore>());
  std::vector<Point> points;
  for (std::size_t i = 0; i * options.dim < rows.size(); ++i)
    points.push_back({PointId::number(i), {rows.data() + i * options.dim, options.dim}, {}, {}});
  collection->upsert(points);
  collection->build();
  return collection;
}

inline std::vector<std::uint64_t> ids_of(const QueryResult& r) {
  std::vector<std::uint64_t> out;
  for (const Hit& h : r.hits) out.push_back(h.id.low);
  return out;
}

inline double recall(const std::vector<std::uint64_t>& got, const std::vector<std::uint64_t>& truth) {
  const std::set<std::uint64_t> set(truth.begin(), truth.end());
  std::size_t hits = 0;
  for (const auto id : got) hits += set.count(id);
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

inline std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace nestor::tests
