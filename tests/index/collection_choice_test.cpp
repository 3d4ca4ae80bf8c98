// Rows chosen for a search or a write: filters, payload changes.
#include <set>

#include "index/collection.h"
#include "index/error.h"
#include "tests/index/collection_fixtures.h"
#include "tests/support/catch.h"

using namespace nestor::tests;

TEST_CASE("only allowed slots are returned, however few") {
  CollectionFixture f;
  f.fill(2000);
  f.collection->build();
  const auto q = nested_vectors(1, kDim, 8);
  std::vector<std::uint64_t> allowed(2000 / 64 + 1, 0);
  for (const Slot s : {3u, 700u, 1999u}) allowed[s / 64] |= std::uint64_t{1} << (s % 64);
  SearchOptions s;
  s.allowed_slots = allowed;
  const auto ids = ids_of(f.collection->search(q, s));
  CHECK(std::set<std::uint64_t>(ids.begin(), ids.end()) == std::set<std::uint64_t>{3, 700, 1999});
}

TEST_CASE("a filtered search is as good as an unfiltered one, by walk or by scan") {
  CollectionFixture f;
  f.fill(12000);
  f.collection->build();
  const auto queries = nested_vectors(20, kDim, 8);
  for (const std::uint64_t every : {2u, 10u}) {  // half of the rows are walked when asked for, a tenth is scanned
    RowChoice choice{[&](const RowHeader& row, std::string_view) { return row.id.low % every == 0; }, false, {}};
    const auto allowed = f.collection->select_slots(choice);
    SearchOptions s;
    s.allowed_slots = allowed;
    s.explain = true;
    if (every == 2) s.candidates_to_explore = 80;
    CollectionFixture truth;
    for (const auto& [id, row] : f.model)
      if (id % every == 0) truth.model[id] = row;
    double found = 0;
    for (std::size_t i = 0; i < 20; ++i) {
      const float* q = queries.data() + i * kDim;
      const auto result = f.collection->search({q, kDim}, s);
      CHECK(result.stages.front().name == (every == 2 ? "walk" : "scan"));
      found += recall(ids_of(result), truth.brute_force(q, kDim, 10));
    }
    CHECK(found / 20 >= (every == 2 ? 0.97 : 1.0));
  }
}

TEST_CASE("a filter that refuses what is near the query does not cost recall") {
  CollectionFixture f;
  f.fill(12000);
  f.collection->build();
  const auto queries = nested_vectors(10, kDim, 8);
  for (std::size_t i = 0; i < 10; ++i) {
    const float* q = queries.data() + i * kDim;
    const auto order = f.brute_force(q, kDim, 12000);
    std::vector<std::uint64_t> allowed(12000 / 64 + 1, 0);
    for (std::size_t place = 6000; place < 12000; ++place)
      allowed[order[place] / 64] |= std::uint64_t{1} << (order[place] % 64);
    for (const std::optional<std::uint32_t> explore :
         {std::optional<std::uint32_t>(), std::optional<std::uint32_t>(100)}) {
      SearchOptions s;
      s.allowed_slots = allowed;
      s.candidates_to_explore = explore;
      CHECK(ids_of(f.collection->search({q, kDim}, s)) ==
            std::vector<std::uint64_t>(order.begin() + 6000, order.begin() + 6010));
    }
  }
}

TEST_CASE("rows are chosen by payload, by id without reading payloads, and never outlive their point") {
  CollectionFixture f;
  const auto rows = nested_vectors(200, kDim, 1);
  std::vector<std::string> payloads;
  for (int i = 0; i < 200; ++i) payloads.push_back("{\"n\":" + std::to_string(i) + "}");
  std::vector<Point> points;
  for (std::size_t i = 0; i < 200; ++i)
    points.push_back({PointId::number(i), {rows.data() + i * kDim, kDim}, payloads[i], {}});
  f.collection->upsert(points);
  const auto ends_in_7 = [](const RowHeader&, std::string_view payload) { return payload.ends_with("7}"); };
  CHECK(f.collection->select_ids({ends_in_7, true, {}}).size() == 20);
  CHECK(f.records->payload_scans == 1);
  const auto any = [](const RowHeader&, std::string_view payload) { return payload.empty(); };
  const std::vector<PointId> some = {PointId::number(900), PointId::number(70), PointId::number(5),
                                     PointId::number(70)};
  CHECK(f.collection->select_ids({any, false, some}) == std::vector{PointId::number(5), PointId::number(70)});
  CHECK(f.collection->select_ids({ends_in_7, true, std::vector{PointId::number(7), PointId::number(8)}}) ==
        std::vector{PointId::number(7)});
  CHECK(f.collection->select_slots({any, false, some}) == std::vector<std::uint64_t>{1u << 5, 1u << 6});
  CHECK(f.records->payload_scans == 1);

  const PointId gone[] = {PointId::number(7)};
  f.collection->erase(gone);
  f.collection->upsert(std::vector{Point{PointId::number(17), points[17].vector, "{}", {}}});
  CHECK(f.collection->select_ids({ends_in_7, true, {}}).size() == 18);
  const auto none = f.collection->select_slots({[](const RowHeader&, std::string_view) { return false; }, true, {}});
  CHECK(none == std::vector<std::uint64_t>{0});
  SearchOptions s;
  s.allowed_slots = none;
  CHECK(f.collection->search({rows.data(), kDim}, s).hits.empty());
}

TEST_CASE("a payload change keeps the vector, carries the value into hits and survives a build and a reopening") {
  CollectionFixture f;
  f.fill(300);
  f.collection->build();
  const auto before = f.collection->info();
  const std::vector<PointId> ids = {PointId::number(5), PointId::number(8), PointId::number(999), PointId::number(5)};
  const Sequence sequence = f.collection->update_payloads(ids, [](const RowHeader& row, std::string_view payload) {
    CHECK(payload.empty());
    return PayloadUpdate{"{}", row.id.low == 8 ? std::optional(77u) : row.value};
  });
  CHECK(sequence == before.sequence + 1);
  for (int round = 0; round < 3; ++round) {
    INFO("round " << round);
    for (const std::uint64_t id : {5u, 8u}) {
      const auto result = f.collection->search(f.model[id], {});
      REQUIRE(result.hits.front().id == PointId::number(id));
      CHECK(result.hits[1].id != PointId::number(id));
      CHECK(result.hits.front().value == (id == 8 ? 77u : 5u));
      CHECK(f.collection->get(PointId::number(id), false, true)->payload == "{}");
      CHECK(f.collection->get(PointId::number(id), false, false)->version == sequence);
    }
    CHECK(f.collection->count() == 300);
    if (round == 0) f.open();
    if (round == 1) f.collection->build();
  }
}

TEST_CASE("a payload change that throws, fails to be written or wants nothing changes nothing") {
  CollectionFixture f;
  f.fill(10);
  const auto sequence = f.collection->info().sequence;
  const std::vector<PointId> ids = {PointId::number(5), PointId::number(8)};
  const auto set = [](const RowHeader&, std::string_view) { return PayloadUpdate{"{\"a\":1}", 3u}; };
  const auto fail = [](const RowHeader& row, std::string_view) -> std::optional<PayloadUpdate> {
    if (row.id.low == 8) throw Error(ErrorCode::invalid_argument, "no");
    return PayloadUpdate{"{\"a\":1}", {}};
  };
  CHECK(message_of([&] { f.collection->update_payloads(ids, fail); }) == "no");
  f.records->fail_next_write = true;
  CHECK(message_of([&] { f.collection->update_payloads(ids, set); }).find("no space left") != std::string::npos);
  CHECK(f.collection->update_payloads(ids, [](const RowHeader&, std::string_view) { return std::nullopt; }) ==
        sequence);
  CHECK(f.collection->get(ids[0], false, true)->payload.empty());
  CHECK(f.collection->info().sequence == sequence);
  CHECK(f.collection->update_payloads(ids, set) == sequence + 1);
}
