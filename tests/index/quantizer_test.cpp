#include <cmath>

#include "index/code_matrix.h"
#include "index/error.h"
#include "index/quantizer.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::nested_vectors;

namespace {
const std::vector<std::uint32_t> kWidths{20, 64, 96};
}

TEST_CASE("code lengths are padded band by band and prefixes are prefixes") {
  const auto rows = nested_vectors(200, 96, 1);
  const Quantizer q = Quantizer::learn(rows, 200, kWidths);
  CHECK(q.code_length(20) == 32);
  CHECK(q.code_length(64) == 96);
  CHECK(q.code_length(96) == 128);
  CHECK(q.position(19) == 19);
  CHECK(q.position(20) == 32);
  CHECK_THROWS_AS(q.code_length(21), Error);
  std::vector<std::uint8_t> code(q.row_length());
  q.encode(rows.data(), code.data());
  for (std::size_t p = 20; p < 32; ++p) CHECK(code[p] == 0);
  for (const std::uint8_t c : code) CHECK(c <= 127);
}

TEST_CASE("keys approximate squared distances and add up over bands") {
  for (const Metric metric : {Metric::l2, Metric::cosine, Metric::dot}) {
    auto rows = nested_vectors(300, 96, 2);
    auto queries = nested_vectors(5, 96, 3);
    if (metric == Metric::cosine)
      for (auto* v : {&rows, &queries})
        for (std::size_t r = 0; r < v->size() / 96; ++r) {
          double n = 0;
          for (int j = 0; j < 96; ++j) n += (*v)[r * 96 + j] * (*v)[r * 96 + j];
          for (int j = 0; j < 96; ++j) (*v)[r * 96 + j] /= static_cast<float>(std::sqrt(n));
        }
    const Quantizer quantizer = Quantizer::learn(rows, 300, kWidths);
    std::vector<std::uint8_t> first(300 * 96), second(300 * 32), code(128);
    for (std::size_t r = 0; r < 300; ++r) {
      quantizer.encode(rows.data() + r * 96, code.data());
      std::copy_n(code.begin(), 96, first.begin() + static_cast<long>(r * 96));
      std::copy_n(code.begin() + 96, 32, second.begin() + static_cast<long>(r * 32));
    }
    const CodeMatrix codes({{first.data(), 0, 96}, {second.data(), 96, 128}});
    std::vector<std::uint32_t> all(300), narrow(300), whole(300);
    for (std::uint32_t r = 0; r < 300; ++r) all[r] = r;
    for (int i = 0; i < 5; ++i) {
      const float* query = queries.data() + i * 96;
      QueryCode q;
      q.assign(quantizer, metric, query);
      PrefixScorer(codes, quantizer, q, 20)(all.data(), 300, narrow.data());
      PrefixScorer(codes, quantizer, q, 96)(all.data(), 300, whole.data());
      // The band between the widths, added to the narrow key, is the wide key.
      std::vector<std::int32_t> band(300);
      codes.sums(q, quantizer.code_length(20), quantizer.code_length(96), all.data(), 300, band.data());
      for (std::uint32_t r = 0; r < 300; ++r) {
        const std::int64_t sum = q.is_l2() ? std::int64_t{narrow[r]} + band[r]
                                           : std::int64_t{narrow[r]} + q.base(96) - q.base(20) - band[r];
        if (narrow[r] > 0 && whole[r] > 0) CHECK(sum == whole[r]);
      }
      // Key order follows distance order up to the codes' rounding: correlation of key and distance.
      double sk = 0, sd = 0, skk = 0, sdd = 0, skd = 0;
      for (std::uint32_t r = 0; r < 300; ++r) {
        double d = 0;
        for (int j = 0; j < 96; ++j)
          d += metric == Metric::l2 ? std::pow(query[j] - rows[r * 96 + j], 2.0) : -double{query[j]} * rows[r * 96 + j];
        const double k = whole[r];
        sk += k; sd += d; skk += k * k; sdd += d * d; skd += k * d;
      }
      const double correlation = (skd - sk * sd / 300) / std::sqrt((skk - sk * sk / 300) * (sdd - sd * sd / 300));
      INFO(to_string(metric));
      CHECK(correlation > 0.998);
    }
  }
}

TEST_CASE("a quantizer survives its bytes and refuses others") {
  const auto rows = nested_vectors(100, 96, 4);
  const Quantizer q = Quantizer::learn(rows, 100, kWidths);
  auto bytes = q.to_bytes();
  const Quantizer back = Quantizer::from_bytes(bytes, kWidths);
  std::vector<std::uint8_t> a(q.row_length()), b(q.row_length());
  q.encode(rows.data() + 96, a.data());
  back.encode(rows.data() + 96, b.data());
  CHECK(a == b);
  CHECK_THROWS_AS(Quantizer::from_bytes(bytes, std::vector<std::uint32_t>{20, 64}), Error);
  bytes.pop_back();
  CHECK_THROWS_AS(Quantizer::from_bytes(bytes, kWidths), Error);
  CHECK_THROWS_AS(Quantizer::from_bytes({}, kWidths), Error);
}

TEST_CASE("constant rows and a single row can be coded") {
  const std::vector<float> rows(96 * 3, 2.5f);
  const Quantizer q = Quantizer::learn(rows, 3, kWidths);
  std::vector<std::uint8_t> code(q.row_length());
  q.encode(rows.data(), code.data());
  CHECK(q.step(0) > 0);
}
