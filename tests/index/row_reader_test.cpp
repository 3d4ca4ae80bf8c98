#include "index/row_reader.h"

#include <cmath>
#include <memory>

#include "index/collection.h"
#include "index/error.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

namespace nestor::index {
namespace {

constexpr std::size_t kDim = 8;

struct Rows {
  Rows(Metric metric, ScalarType scalar) {
    CollectionOptions options;
    options.dim = kDim;
    options.metric = metric;
    options.scalar_type = scalar;
    options.exact_below = 50;
    collection = std::make_unique<Collection>("rows", options, std::make_shared<tests::MemoryRecordStore>(),
                                              std::make_shared<tests::MemoryGenerationStore>());
    vectors = tests::nested_vectors(200, kDim, 1);
    for (float& x : vectors) x = std::round(x * 64) / 64;
  }
  std::span<const float> vector(std::size_t i) const { return std::span(vectors).subspan(i * kDim, kDim); }
  void write(std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      const Point point{PointId::number(i), vector(i), {}, static_cast<std::uint32_t>(i)};
      collection->upsert({&point, 1});
    }
  }
  std::unique_ptr<Collection> collection;
  std::vector<float> vectors;
};

std::vector<PointId> ids(std::initializer_list<std::uint64_t> numbers) {
  std::vector<PointId> out;
  for (const auto n : numbers) out.push_back(PointId::number(n));
  return out;
}

}  // namespace

TEST_CASE("rows are read by id from generation, tail and whatever was written since", "[row_reader]") {
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine})
    for (const ScalarType scalar : {ScalarType::float32, ScalarType::float16}) {
      Rows rows(metric, scalar);
      rows.write(0, 120);
      rows.collection->build();
      rows.write(120, 160);
      const PointId uuid = PointId::uuid("550e8400-e29b-41d4-a716-446655440000");
      const Point named{uuid, rows.vector(199), {}, std::nullopt};
      rows.collection->upsert({&named, 1});
      // Point 5 moves to the tail, 7 goes away: what was guessed by number must not be believed.
      const Point moved{PointId::number(5), rows.vector(198), {}, 999};
      rows.collection->upsert({&moved, 1});
      rows.collection->erase(ids({7, 130}));
      const RowReader reader = rows.collection->rows();

      auto wanted = ids({0, 119, 120, 159, 5, 7, 130, 160, 1u << 31});
      wanted.push_back(uuid);
      const std::span<const float> query = rows.vector(180);
      const auto distances = reader.distances(query, wanted);
      SearchOptions all;
      all.k = 4096;
      all.exact = true;
      const auto found = rows.collection->search(query, all);
      std::size_t known = 0;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto hit =
            std::find_if(found.hits.begin(), found.hits.end(), [&](const Hit& h) { return h.id == wanted[i]; });
        if (hit == found.hits.end()) {
          CHECK(std::isinf(distances[i]));
          CHECK(reader.find(wanted[i]) == kNoSlot);
          continue;
        }
        ++known;
        CHECK(distances[i] == Approx(hit->distance).margin(1e-5));
        CHECK(reader.find(wanted[i]) == hit->slot);
        CHECK(reader.values({&wanted[i], 1}).front() == hit->value);
        const auto record = rows.collection->get(wanted[i], true, false);
        CHECK(reader.vectors({&wanted[i], 1}) == record->vector);
      }
      CHECK(known == 6);
      CHECK_FALSE(reader.values(ids({7})).front().has_value());

      // Written after the reader was made, and moved into a new generation.
      rows.write(170, 172);
      rows.collection->build();
      rows.write(172, 173);
      CHECK(std::isfinite(reader.distances(query, ids({170})).front()));
      CHECK(reader.values(ids({172})).front() == 172u);
      CHECK(reader.vectors(ids({172})).size() == kDim);
    }
}

TEST_CASE("reading rows by id refuses unknown ids and bad queries", "[row_reader]") {
  Rows rows(Metric::cosine, ScalarType::float32);
  rows.write(0, 3);
  const RowReader reader = rows.collection->rows();
  const auto code = [](const auto& call) {
    try {
      call();
    } catch (const Error& e) {
      return std::string(to_string(e.code())) + ": " + e.what();
    }
    return std::string();
  };
  CHECK(code([&] { reader.vectors(ids({1, 44})); }).find("point 44 doesn't exist") != std::string::npos);
  CHECK(code([&] { reader.distances(rows.vector(1).first(3), ids({1})); }).find("expected dim: 8, got 3") !=
        std::string::npos);
  const std::vector<float> nan(kDim, std::nanf("")), zero(kDim, 0.0f);
  CHECK(code([&] { reader.distances(nan, ids({1})); }).find("not a finite number") != std::string::npos);
  CHECK(reader.distances(zero, ids({1})) == std::vector<float>{1.0f});  // no direction: as near to everything
  CHECK(reader.distances(rows.vector(1), {}).empty());
}

}  // namespace nestor::index
