#include "index/walk_scorer.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::nested_vectors;
using nestor::tests::test_seed;

namespace {

constexpr std::uint32_t kDim = 256, kRows = 2000;

struct CodedRows {
  explicit CodedRows(Metric metric) {
    const auto rows = nested_vectors(kRows, kDim, 3);
    const std::vector<std::uint32_t> widths{128, kDim};
    quantizer = Quantizer::learn(rows, kRows, widths, search_steps(metric));
    codes.resize(kRows * quantizer.row_length());
    for (std::size_t r = 0; r < kRows; ++r)
      quantizer.encode(rows.data() + r * kDim, codes.data() + r * quantizer.row_length());
    leading.resize(codes.size() / 2);
    trailing.resize(codes.size() / 2);
    split_codes(codes.data(), codes.size(), leading.data(), trailing.data());
  }
  CodeMatrix whole() const { return CodeMatrix({{codes.data(), 0, kDim}}); }
  CodeMatrix split() const { return CodeMatrix({{leading.data(), 0, kDim, trailing.data()}}); }

  Quantizer quantizer;
  std::vector<std::uint8_t> codes, leading, trailing;
};

std::vector<std::uint32_t> some_rows(std::mt19937_64& rng, std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  for (auto& r : rows) r = static_cast<std::uint32_t>(rng() % kRows);
  return rows;
}

}  // namespace

TEST_CASE("rows compared in two parts get the keys of rows compared at once, and only far ones are left out") {
  std::mt19937_64 rng(test_seed());
  INFO("seed " << test_seed());
  const auto queries = nested_vectors(20, kDim, 4);
  for (const Metric metric : {Metric::l2, Metric::dot}) {
    const CodedRows coded(metric);
    for (const CodeMatrix& matrix : {coded.whole(), coded.split()}) {
      INFO(to_string(metric) << (matrix.walks_coarse() ? ", leading bits" : ", whole codes"));
      std::size_t refused = 0, refused_wrongly = 0, near = 0;
      for (std::size_t q = 0; q < 20; ++q) {
        QueryCode code;
        code.assign(coded.quantizer, metric, queries.data() + q * kDim);
        const PrefixScorer at_once(matrix, coded.quantizer, code, kDim);
        std::vector<std::uint32_t> all(kRows), keys(kRows);
        std::iota(all.begin(), all.end(), 0u);
        at_once(all.data(), kRows, keys.data());
        std::vector<std::uint32_t> sorted = keys;
        std::nth_element(sorted.begin(), sorted.begin() + kRows / 20, sorted.end());
        const std::uint32_t limit = sorted[kRows / 20];

        WalkScorer score(matrix, coded.quantizer, code, kDim);
        REQUIRE(score.in_two_parts());
        REQUIRE(score.first_coordinates() + score.rest_coordinates() == kDim);
        for (int batch = 0; batch < 40; ++batch) {
          const auto met = some_rows(rng, 33);
          auto rows = met;
          std::vector<std::int32_t> partial(rows.size());
          std::vector<std::uint32_t> found(rows.size());
          const std::uint32_t wanted = batch == 0 ? 0xFFFFFFFFu : limit;
          const std::size_t kept = score.begin(rows.data(), rows.size(), wanted, partial.data());
          if (batch == 0) REQUIRE(kept == met.size());
          score.finish(rows.data(), kept, partial.data(), found.data());
          for (std::size_t i = 0; i < kept; ++i) REQUIRE(found[i] == keys[rows[i]]);
          rows.resize(kept);
          for (const std::uint32_t r : met) {
            const bool left_out = std::find(rows.begin(), rows.end(), r) == rows.end();
            refused += left_out;
            near += keys[r] < limit;
            refused_wrongly += left_out && keys[r] < limit;
          }
        }
      }
      CHECK(refused > 20 * 40 * 33 / 4);    // it saves reading
      CHECK(refused_wrongly * 50 <= near);  // and costs next to nothing
    }
  }
}

TEST_CASE("codes of a cache line or less are compared at once") {
  const CodedRows coded(Metric::l2);
  const auto query = nested_vectors(1, kDim, 5);
  QueryCode code;
  code.assign(coded.quantizer, Metric::l2, query.data());
  const std::vector<std::uint8_t> first_half(kRows * 128, 7);
  const CodeMatrix pieces({{first_half.data(), 0, 128}, {first_half.data(), 128, 256}}), split = coded.split();
  CHECK_FALSE(WalkScorer(pieces, coded.quantizer, code, kDim).in_two_parts());  // two pieces of memory
  CHECK_FALSE(WalkScorer(split, coded.quantizer, code, 128).in_two_parts());
}
