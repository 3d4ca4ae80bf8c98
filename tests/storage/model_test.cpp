// Random operations against a map and a brute-force search over it.
#include <map>
#include <random>
#include <set>

#include "tests/storage/database_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

struct ModelPoint {
  std::vector<float> vector;
  std::string payload;
  std::optional<std::uint32_t> value;
};

class Model {
 public:
  Model(const std::filesystem::path& directory, std::uint64_t seed) : directory_(directory), random_(seed) {
    CollectionOptions options = options_of();
    options.exact_below = 60;
    database_ = Database::open(directory_, quiet());
    collection_ = database_->create_collection("words", options);
  }

  void step() {
    switch (random_() % 16) {
      case 0: return erase();
      case 1:
      case 2: return change_payloads();
      case 3: collection_->build(deterministic()); return;
      case 4:
      case 5: collection_->fold(deterministic()); return;
      case 6: collection_->compact(deterministic()); return;
      case 7: return reopen();
      case 8: return recover();
      default: return upsert();
    }
  }

  void check() {
    REQUIRE(collection_->count() == points_.size());
    const auto records = collection_->scroll({}, 10000, true, true);
    REQUIRE(records.size() == points_.size());
    auto expected = points_.begin();
    for (const Record& record : records) {
      const auto& [id, point] = *expected++;
      const bool same = record.id.low == id && record.vector == point.vector && record.payload == point.payload &&
                        record.value == point.value;
      REQUIRE(same);
    }
    const auto query = nested_vectors(1, kDim, random_());
    for (const std::uint32_t width : {8u, 16u, 32u}) check_search(query, width);
    check_filter(query);
  }

 private:
  std::vector<PointId> some_ids() {
    std::vector<PointId> ids;
    for (std::uint64_t n = 1 + random_() % 20; n > 0; --n) ids.push_back(PointId::number(random_() % 250));
    return ids;
  }

  void upsert() {
    const std::vector<PointId> ids = some_ids();
    const std::uint64_t stream = random_();
    const auto vectors = nested_vectors(ids.size(), kDim, stream);
    std::vector<std::string> payloads;
    for (std::size_t i = 0; i < ids.size(); ++i) payloads.push_back(i % 3 ? "{\"n\":" + std::to_string(i) + "}" : "");
    std::vector<Point> points;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::span<const float> vector(vectors.data() + i * kDim, kDim);
      const auto value = i % 2 ? std::optional(static_cast<std::uint32_t>(i)) : std::nullopt;
      points.push_back({ids[i], vector, payloads[i], value});
      points_[ids[i].low] = {{vector.begin(), vector.end()}, payloads[i], value};
    }
    collection_->upsert(points);
  }

  void erase() {
    const std::vector<PointId> ids = some_ids();
    collection_->erase(ids);
    for (const PointId& id : ids) points_.erase(id.low);
  }

  void change_payloads() {
    const std::string text = "{\"changed\":" + std::to_string(random_() % 100) + "}";
    const bool new_value = random_() % 2 == 0;
    const std::vector<PointId> ids = some_ids();
    collection_->update_payloads(ids, [&](const RowHeader& row, std::string_view) {
      return PayloadUpdate{text, new_value ? std::optional(7u) : row.value};
    });
    for (const PointId& id : ids)
      if (const auto found = points_.find(id.low); found != points_.end()) {
        found->second.payload = text;
        if (new_value) found->second.value = 7u;
      }
  }

  void reopen() {
    collection_.reset();
    database_.reset();
    database_ = Database::open(directory_, quiet());
    REQUIRE(database_->damaged().empty());
    collection_ = database_->collection("words");
  }

  void recover() {
    const std::string name = database_->create_snapshot("words").name;
    collection_ = database_->recover_collection("words", database_->snapshot_file("words", name));
    database_->delete_snapshot("words", name);
  }

  std::vector<std::pair<float, std::uint64_t>> nearest(std::span<const float> query, std::uint32_t width) const {
    std::vector<std::pair<float, std::uint64_t>> all;
    for (const auto& [id, point] : points_) {
      float sum = 0;
      for (std::uint32_t j = 0; j < width; ++j) sum += (query[j] - point.vector[j]) * (query[j] - point.vector[j]);
      all.emplace_back(sum, id);
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  void check_search(std::span<const float> query, std::uint32_t width) {
    SearchOptions search;
    search.width = width;
    search.exact = true;
    const auto expected = nearest(query, width);
    const auto hits = collection_->search(query, search).hits;
    REQUIRE(hits.size() == std::min<std::size_t>(10, expected.size()));
    for (std::size_t i = 0; i < hits.size(); ++i) {
      REQUIRE(std::abs(hits[i].distance - expected[i].first) <= 1e-3f * (1 + expected[i].first));
      REQUIRE(points_.contains(hits[i].id.low));
      REQUIRE(hits[i].value == points_.at(hits[i].id.low).value);
    }
    search.exact = false;
    search.width.reset();
    search.k = 300;  // more than there are: every live id, once
    std::set<PointId> found;
    for (const Hit& hit : collection_->search(query, search).hits) found.insert(hit.id);
    REQUIRE(found.size() == points_.size());
  }

  void check_filter(std::span<const float> query) {
    const RowChoice choice{[](const RowHeader& row, std::string_view) { return row.id.low % 5 == 0; }, false, {}};
    const SelectedSlots allowed = collection_->select_slots(choice);
    if (random_() % 4 == 0) collection_->compact(deterministic());
    SearchOptions search;
    search.k = 300;
    search.allowed_slots = allowed;
    search.allowed_numbering = allowed.numbering;
    std::size_t expected = 0;
    for (const auto& [id, point] : points_) expected += id % 5 == 0;
    const auto hits = collection_->search(query, search).hits;
    REQUIRE(hits.size() == expected);
    for (const Hit& hit : hits) REQUIRE(hit.id.low % 5 == 0);
  }

  std::filesystem::path directory_;
  std::mt19937_64 random_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  std::map<std::uint64_t, ModelPoint> points_;
};

}  // namespace

TEST_CASE("random operations leave what a map and a brute-force search over it say") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  const TemporaryDirectory directory;
  Model model(directory.path(), test_seed());
  for (int n = 0; n < 120; ++n) {
    INFO("operation " << n);
    model.step();
    if (n % 3 == 0) model.check();
  }
  model.check();
}
