#include "index/collection.h"

#include <map>
#include <set>
#include <thread>

#include "index/error.h"
#include "index/tail.h"
#include "tests/index/collection_fixtures.h"
#include "tests/support/catch.h"

using namespace nestor::tests;

TEST_CASE("exact search equals brute force at every width, metric and scalar type, before and after a build") {
  INFO("seed " << test_seed());
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine}) {
    CollectionFixture f(metric);
    f.fill(400);
    const auto queries = nested_vectors(20, kDim, 5);
    for (int round = 0; round < 2; ++round) {
      for (const std::uint32_t width : {16u, 32u, 48u})
        for (int i = 0; i < 20; ++i) {
          SearchOptions s;
          s.exact = true;
          s.width = width;
          const std::span<const float> q(queries.data() + i * kDim, kDim);
          CHECK(recall(ids_of(f.collection->search(q, s)), f.brute_force(q.data(), width, 10)) == 1.0);
        }
      if (round == 0) f.collection->build();
    }
  }
}

TEST_CASE("the ladder finds nearly all neighbours with every metric, rotation and kind of walk codes") {
  INFO("seed " << test_seed());
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine})
    for (const Rotation rotation : {Rotation::none, Rotation::pca}) {
      CollectionFixture f(metric, rotation);
      f.fill(4000);
      const auto queries = nested_vectors(50, kDim, 6);
      for (const WalkCodes codes : {WalkCodes::whole, WalkCodes::leading_bits}) {
        f.options.walk_codes = codes;
        f.open();
        f.collection->build();
        CHECK(f.collection->info().indexed_points == 4000);
        const bool leading = codes == WalkCodes::leading_bits;
        double sum = 0;
        for (int i = 0; i < 50; ++i) {
          const std::span<const float> q(queries.data() + i * kDim, kDim);
          SearchOptions s;
          s.explain = true;
          s.distance_gap = metric == Metric::dot ? 0.0f : 0.2f;  // so few rows would be scanned otherwise
          const auto r = f.collection->search(q, s);
          REQUIRE(r.stages.size() == (leading ? 3 : 2));
          CHECK(r.stages[0].name == "walk");
          CHECK(r.stages[0].bytes_read * (leading ? 2 : 1) == r.stages[0].coordinates_read);
          if (leading) CHECK(r.stages[1].name == "rescore");
          CHECK(r.stages.back().name == "rerank");
          CHECK(r.stages[0].distance_evaluations < 4000);
          sum += recall(ids_of(r), f.brute_force(q.data(), kDim, 10));
        }
        INFO(to_string(metric) << " " << to_string(rotation) << (leading ? ", leading bits" : ", whole codes"));
        CHECK(sum / 50 >= (leading ? 0.9 : 0.97));  // 4 bits of so few coordinates are coarse
      }
    }
}

TEST_CASE("an answer ranked by codes has their distances and reads no row") {
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine})
    for (const WalkCodes codes : {WalkCodes::whole, WalkCodes::leading_bits}) {
      CollectionFixture f(metric);
      f.options.walk_codes = codes;
      f.open();
      f.fill(4000);
      f.collection->build();
      const auto queries = nested_vectors(30, kDim, 8);
      double sum = 0, error = 0, size = 0;
      for (int i = 0; i < 30; ++i) {
        const std::span<const float> q(queries.data() + i * kDim, kDim);
        SearchOptions s;
        s.candidates_to_explore = 200;
        const auto exact = f.collection->search(q, s);
        s.exact_distances = false;
        s.explain = true;
        const auto coded = f.collection->search(q, s);
        for (const StageReport& stage : coded.stages) CHECK(stage.name != "rerank");
        REQUIRE(coded.hits.size() == 10);
        for (std::size_t n = 0; n < 10; ++n) {
          error += std::abs(static_cast<double>(coded.hits[n].distance - exact.hits[n].distance));
          size += std::abs(static_cast<double>(exact.hits[n].distance));
          if (n > 0) CHECK(coded.hits[n].distance >= coded.hits[n - 1].distance);
        }
        sum += recall(ids_of(coded), f.brute_force(q.data(), kDim, 10));
      }
      INFO(to_string(metric) << (codes == WalkCodes::whole ? ", whole codes" : ", leading bits"));
      CHECK(sum / 30 >= 0.85);
      CHECK(error / size < 0.05);
      CHECK(error > 0);
    }
}

TEST_CASE("a prefix or rotated rows that codes do not cover are ranked exactly all the same") {
  CollectionFixture f(Metric::cosine);
  f.fill(2000);
  f.collection->build();
  const auto queries = nested_vectors(1, kDim, 8);
  SearchOptions s;
  s.width = 16;
  s.candidates_to_explore = 200;
  s.exact_distances = false;
  s.explain = true;
  CHECK(f.collection->search({queries.data(), kDim}, s).stages.back().name == "rerank");
  CHECK_THROWS_AS(
      [&] {
        SearchOptions target;
        target.target_recall = 0.9;
        target.exact_distances = false;
        f.collection->search({queries.data(), kDim}, target);
      }(),
      Error);
}

TEST_CASE("a walk goes on until it has as many neighbours as were asked for") {
  CollectionFixture f;
  f.fill(4000);
  f.collection->build();
  const auto queries = nested_vectors(20, kDim, 8);
  for (const std::uint32_t k : {100u, 700u})  // a sorted pool, a bucket queue
    for (int i = 0; i < 20; ++i) {
      SearchOptions s;
      s.k = k;
      s.candidates_to_explore = 5;
      s.explain = true;
      const auto r = f.collection->search({queries.data() + i * kDim, kDim}, s);
      CHECK(r.hits.size() == k);
      for (const StageReport& stage : r.stages) CHECK(stage.name != "scan");
    }
}

TEST_CASE("explicit stages walk the coarse graph, re-score and re-rank") {
  CollectionFixture f;
  f.fill(4000);
  const auto queries = nested_vectors(30, kDim, 7);
  for (const WalkCodes codes : {WalkCodes::whole, WalkCodes::leading_bits}) {
    f.options.walk_codes = codes;
    f.open();
    f.collection->build();
    double sum = 0;
    for (int i = 0; i < 30; ++i) {
      SearchOptions s;
      s.stages = {{16, 200}, {32, 80}, {48, 20}};
      s.explain = true;
      const std::span<const float> q(queries.data() + i * kDim, kDim);
      const auto r = f.collection->search(q, s);
      REQUIRE(r.stages.size() == 4);
      CHECK(r.stages[0].width == 16);
      CHECK(r.stages[0].candidates_out == 200);
      CHECK(r.stages[1].name == "rescore");
      CHECK(r.stages[1].candidates_in == 200);
      // Of split codes the first re-score reads the walked coordinates again, whole.
      CHECK(r.stages[1].coordinates_read == 200 * (codes == WalkCodes::whole ? 16 : 32));
      CHECK(r.stages[2].candidates_out == 20);
      CHECK(r.stages[3].name == "rerank");
      sum += recall(ids_of(r), f.brute_force(q.data(), kDim, 10));
    }
    CHECK(sum / 30 >= 0.9);
  }
}

TEST_CASE("a new row is found at once, a replaced or erased one never again, before and after a reopening") {
  CollectionFixture f;
  f.fill(500);
  f.collection->build();
  const auto fresh = nested_vectors(3, kDim, 99);
  const std::vector<Point> points{{PointId::number(7), {fresh.data(), kDim}, R"({"a":1})", 5u},
                                  {PointId::number(9000), {fresh.data() + kDim, kDim}, {}, {}}};
  const Sequence version = f.collection->upsert(points);
  const std::vector<PointId> gone{PointId::number(8), PointId::number(123456)};
  f.collection->erase(gone);
  for (int round = 0; round < 3; ++round) {
    INFO("round " << round);
    CHECK(f.collection->count() == 500);
    const auto r = f.collection->search({fresh.data(), kDim}, {});
    CHECK(r.hits[0].id == PointId::number(7));
    CHECK(r.hits[0].distance == 0);
    CHECK(r.hits[0].version == version);
    CHECK(r.hits[0].value == 5u);
    CHECK(ids_of(f.collection->search({fresh.data() + kDim, kDim}, {}))[0] == 9000);
    SearchOptions all;
    all.k = 1000;
    for (const bool exact : {false, true}) {
      all.exact = exact;
      const auto ids = ids_of(f.collection->search({fresh.data(), kDim}, all));
      CHECK(ids.size() == 500);
      CHECK(std::set<std::uint64_t>(ids.begin(), ids.end()).size() == 500);
      CHECK(std::count(ids.begin(), ids.end(), 8u) == 0);
    }
    CHECK(f.collection->get(PointId::number(7), true, true)->payload == R"({"a":1})");
    CHECK_FALSE(f.collection->get(PointId::number(8), true, true).has_value());
    if (round == 0) f.open();
    if (round == 1) f.collection->build();
  }
}

TEST_CASE("bad input is refused with the value and the limit and changes nothing") {
  CollectionFixture f(Metric::cosine);
  f.fill(150);
  const std::vector<float> good(kDim, 1.0f), wrong(20, 1.0f);
  std::vector<float> nan = good;
  nan[3] = std::nanf("");
  const auto upsert = [&](const std::vector<float>& v) {
    const std::vector<Point> points{{PointId::number(1), good, {}, {}}, {PointId::number(2), v, {}, {}}};
    return message_of([&] { f.collection->upsert(points); });
  };
  CHECK(upsert(wrong) == "Vector dimension error: expected dim: 48, got 20");
  CHECK(upsert(nan) == "vector coordinate 3 is not a finite number");
  CHECK(f.collection->info().sequence == 1);
  const auto search = [&](const std::vector<float>& q, SearchOptions s) {
    return message_of([&] { f.collection->search(q, s); });
  };
  CHECK(search(wrong, {}) == "Vector dimension error: expected dim: 48, got 20");
  CHECK(search(nan, {}).find("query coordinate 3") != std::string::npos);
  SearchOptions s;
  s.k = 0;
  CHECK(search(good, s) == "k 0 is out of range 1..4096");
  s = {};
  s.width = 17;
  CHECK(search(good, s) == "width 17 is not one of the collection's widths (16, 32, 48)");
  s = {};
  s.stages = {{32, 20}, {16, 20}};
  f.collection->build();
  CHECK(search(good, s) == "stage widths must ascend, found 16 after 32");
  s.stages = {{16, 5}, {48, 20}};
  CHECK(search(good, s).find("shortlist 5 is out of range 10..65536") != std::string::npos);
}

TEST_CASE("a failed write is invisible and the next one goes through") {
  CollectionFixture f;
  f.fill(120);
  f.records->fail_next_write = true;
  const auto v = nested_vectors(1, kDim, 50);
  const std::vector<Point> points{{PointId::number(777), v, {}, {}}};
  CHECK_THROWS_AS(f.collection->upsert(points), Error);
  CHECK(f.collection->count() == 120);
  CHECK_FALSE(f.collection->get(PointId::number(777), false, false).has_value());
  CHECK(ids_of(f.collection->search(v, {}))[0] != 777);
  f.collection->upsert(points);
  CHECK(ids_of(f.collection->search(v, {}))[0] == 777);
}

TEST_CASE("a short query searches at its width, a cosine prefix as a vector of its own") {
  CollectionFixture f(Metric::cosine);
  f.fill(400);
  const auto q = nested_vectors(1, kDim, 8);
  const auto r = f.collection->search({q.data(), 16}, {});
  CHECK(recall(ids_of(r), f.brute_force(q.data(), 16, 10)) == 1.0);
  CollectionFixture rotated(Metric::l2, Rotation::pca);
  rotated.fill(150);
  CHECK(message_of([&] { rotated.collection->search({q.data(), 16}, {}); }).find("full query") != std::string::npos);
}

TEST_CASE("float16 rows are stored as they are searched and overflow is refused") {
  CollectionFixture f(Metric::l2, Rotation::none, ScalarType::float16);
  f.fill(300);
  f.collection->build();
  const auto stored = f.collection->get(PointId::number(5), true, false)->vector;
  const auto r = f.collection->search(stored, {});
  CHECK(r.hits[0].id == PointId::number(5));
  CHECK(r.hits[0].distance == 0);
  const std::vector<float> large(kDim, 70000.0f);
  const std::vector<Point> points{{PointId::number(1), large, {}, {}}};
  CHECK(message_of([&] { f.collection->upsert(points); }).find("float16 holds at most 65504") != std::string::npos);
}

TEST_CASE("a damaged generation is reported and exact search serves") {
  CollectionFixture f;
  f.fill(300);
  f.collection->build();
  auto damaged = *f.generations->newest_;
  for (Section& s : damaged.sections)
    if (s.name == "rows") s.bytes = s.bytes.first(s.bytes.size() - 4);
  f.generations->newest_ = damaged;
  f.open();
  CHECK(f.log.find("wrong size") != std::string::npos);
  const auto q = nested_vectors(1, kDim, 8);
  CHECK(recall(ids_of(f.collection->search(q, {})), f.brute_force(q.data(), kDim, 10)) == 1.0);
  f.collection->build();
  CHECK(f.collection->info().indexed_points == 300);
}

TEST_CASE("batches answer like single searches") {
  CollectionFixture f;
  f.fill(2000);
  f.collection->build();
  const auto queries = nested_vectors(37, kDim, 12);
  for (const bool exact : {false, true}) {
    SearchOptions s;
    s.exact = exact;
    if (!exact) s.candidates_to_explore = 40;  // a batch may find scanning cheaper where one query walks
    const auto batch = f.collection->search_batch(queries, 37, s, 2);
    REQUIRE(batch.size() == 37);
    for (std::size_t i = 0; i < 37; ++i)
      CHECK(ids_of(batch[i]) == ids_of(f.collection->search({queries.data() + i * kDim, kDim}, s)));
  }
}

TEST_CASE("readers always see each point exactly once while writers replace, erase and builds publish") {
  CollectionFixture f;
  f.options.exact_below = 50;
  f.open();
  f.fill(300);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t)
    readers.emplace_back([&, t] {
      const auto q = nested_vectors(1, kDim, 100 + static_cast<std::uint64_t>(t));
      SearchOptions s;
      s.k = 400;
      s.exact = t == 0;
      while (!stop || reads < 20) {
        const auto ids = ids_of(f.collection->search(q, s));
        const std::set<std::uint64_t> unique(ids.begin(), ids.end());
        if (ids.size() != 300 || unique.size() != 300) ++wrong;  // every replacement keeps 300 points alive
        ++reads;
      }
    });
  for (int round = 0; round < 30; ++round) {
    f.fill(20, static_cast<std::uint64_t>(round * 7 % 280), 200 + static_cast<std::uint64_t>(round));
    if (round % 10 == 5) f.collection->build();
  }
  stop = true;
  for (auto& t : readers) t.join();
  CHECK(wrong == 0);
  CHECK(f.collection->count() == 300);
}

TEST_CASE("a tail that is full refuses rows before they are stored") {
  Tail tail(1);
  const float x = 1;
  CHECK_THROWS_AS(tail.reserve(Tail::kMaxChunks * Tail::kChunkRows + 1), Error);
  tail.reserve(3);
  for (Slot s = 0; s < 3; ++s) tail.append({s, {}, kNoValue}, {&x, 1});
  CHECK(tail.size() == 0);  // not visible yet
  tail.publish();
  CHECK(tail.size() == 3);
  CHECK_NOTHROW(tail.reserve(2000));
}
