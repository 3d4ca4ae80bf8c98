#include <algorithm>
#include <cmath>
#include <queue>
#include <set>

#include "index/beam_search.h"
#include "index/code_matrix.h"
#include "index/error.h"
#include "index/graph_builder.h"
#include "index/walk_scorer.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::nested_vectors;

namespace {

struct Fixture {
  static constexpr std::size_t kRows = 3000, kDim = 64;
  std::vector<float> rows = nested_vectors(kRows, kDim, 1);
  std::vector<std::uint32_t> widths{32, 64};
  Quantizer quantizer = Quantizer::learn(rows, kRows, widths);
  std::vector<std::uint8_t> codes = encode();
  CodeMatrix matrix{{{codes.data(), 0, 64}}};

  std::vector<std::uint8_t> encode() const {
    std::vector<std::uint8_t> out(kRows * 64);
    for (std::size_t r = 0; r < kRows; ++r) quantizer.encode(rows.data() + r * kDim, out.data() + r * 64);
    return out;
  }
  GraphBytes build(unsigned threads, std::uint32_t width = 64, Metric metric = Metric::l2) const {
    GraphBuildInput in;
    in.codes = codes.data();
    in.stride = 64;
    in.rows = kRows;
    in.width = width;
    in.quantizer = &quantizer;
    in.metric = metric;
    in.threads = threads;
    return build_graph(in);
  }
  static FrozenGraph view(const GraphBytes& g) {
    return FrozenGraph(g.links.bytes(), std::as_bytes(std::span(g.upper)), kRows);
  }
};

}  // namespace

TEST_CASE("a graph built by one thread is the same every time") {
  const Fixture f;
  const GraphBytes a = f.build(1), b = f.build(1);
  CHECK(a.upper == b.upper);
  CHECK(std::equal(a.links.bytes().begin(), a.links.bytes().end(), b.links.bytes().begin()));
}

TEST_CASE("every row of a frozen graph can be reached") {
  const Fixture f;
  const GraphBytes bytes = f.build(2);
  const FrozenGraph g = Fixture::view(bytes);
  std::vector<bool> seen(Fixture::kRows, false);
  std::queue<std::uint32_t> open;
  open.push(g.entry_row());
  seen[g.entry_row()] = true;
  std::size_t reached = 1;
  std::vector<std::uint32_t> links(g.degree());
  for (; !open.empty(); open.pop())
    for (const std::uint32_t v : std::span(links.data(), g.links().read(open.front(), links.data()))) {
      REQUIRE(v < Fixture::kRows);
      if (seen[v]) continue;
      seen[v] = true;
      ++reached;
      open.push(v);
    }
  CHECK(reached >= Fixture::kRows * 999 / 1000);
}

TEST_CASE("the walk finds what a scan over the codes finds") {
  const Fixture f;
  const auto queries = nested_vectors(50, Fixture::kDim, 9);
  for (const Metric metric : {Metric::l2, Metric::dot}) {
    const GraphBytes bytes = f.build(2, 64, metric);
    const FrozenGraph g = Fixture::view(bytes);
    WalkScratch scratch;
    std::size_t found = 0;
    for (int i = 0; i < 50; ++i) {
      QueryCode q;
      q.assign(f.quantizer, metric, queries.data() + i * Fixture::kDim);
      WalkScorer score(f.matrix, f.quantizer, q, 64);
      const WalkCounters c = walk(g, score, {200, 200, 10, 10, 0}, {}, scratch);
      CHECK(c.evaluations < Fixture::kRows);
      std::vector<std::uint32_t> rows(Fixture::kRows), keys(Fixture::kRows);
      for (std::uint32_t r = 0; r < Fixture::kRows; ++r) rows[r] = r;
      score(rows.data(), rows.size(), keys.data());
      std::vector<std::uint32_t> sorted = keys;
      std::nth_element(sorted.begin(), sorted.begin() + 9, sorted.end());
      for (std::size_t n = 0; n < 10; ++n) found += key_of(scratch.found[n]) <= sorted[9];
    }
    INFO(to_string(metric));
    CHECK(found >= 490);  // of 500
  }
}

TEST_CASE("a distance gap saves evaluations and a pool without one does not stop early") {
  const Fixture f;
  const GraphBytes bytes = f.build(2);
  const FrozenGraph g = Fixture::view(bytes);
  const auto queries = nested_vectors(30, Fixture::kDim, 10);
  WalkScratch scratch;
  std::uint64_t with_gap = 0, without = 0;
  for (int i = 0; i < 30; ++i) {
    QueryCode q;
    q.assign(f.quantizer, Metric::l2, queries.data() + i * Fixture::kDim);
    WalkScorer first(f.matrix, f.quantizer, q, 64), second(f.matrix, f.quantizer, q, 64);
    const WalkCounters a = walk(g, first, {300, 300, 10, 20, 0.1f}, {}, scratch);
    const WalkCounters b = walk(g, second, {300, 300, 10, 20, 0}, {}, scratch);
    with_gap += a.evaluations;
    without += b.evaluations;
    CHECK_FALSE(b.stopped_by_gap);
  }
  CHECK(with_gap * 2 < without);
}

TEST_CASE("the candidate pool keeps the smallest keys in order") {
  CandidatePool pool;
  pool.start(50, 40);
  std::set<std::uint64_t> slow;
  std::uint32_t x = 12345;
  for (std::uint32_t i = 0; i < 2000;) {
    std::vector<std::uint64_t> batch(1 + i % 40);
    for (auto& entry : batch) {
      x = x * 1664525u + 1013904223u;
      entry = pack_candidate(x >> 8, i++);
    }
    const std::uint64_t nearest = *std::min_element(batch.begin(), batch.end());
    slow.insert(batch.begin(), batch.end());
    const std::size_t at = pool.insert(batch.data(), batch.size());
    const auto place = static_cast<std::size_t>(std::distance(slow.begin(), slow.find(nearest)));
    CHECK(at == std::min(place, at));
    if (place < 50) CHECK(at == place);
    REQUIRE(pool.size() == std::min<std::size_t>(50, slow.size()));
    auto it = slow.begin();
    for (std::size_t k = 0; k < pool.size(); ++k) REQUIRE(pool[k] == *it++);
  }
}

TEST_CASE("damaged graph bytes are refused") {
  const Fixture f;
  const GraphBytes good = f.build(1, 32);
  const auto open = [&](const std::vector<std::uint32_t>& upper, std::size_t rows = Fixture::kRows) {
    return FrozenGraph(good.links.bytes(), std::as_bytes(std::span(upper)), rows);
  };
  CHECK_NOTHROW(open(good.upper));
  CHECK_THROWS_AS(open(good.upper, Fixture::kRows - 1), Error);
  CHECK_THROWS_AS(open({}), Error);
  for (std::size_t at = 0; at < 6; ++at) {
    auto bad = good.upper;
    bad[at] = 0xFFFFFFF0u;
    CHECK_THROWS_AS(open(bad), Error);
  }
  auto truncated = good.upper;
  truncated.pop_back();
  CHECK_THROWS_AS(open(truncated), Error);
}
