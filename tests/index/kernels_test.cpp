#include <cmath>
#include <random>

#include "index/code_matrix.h"
#include "index/distance.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::test_seed;

namespace {

std::vector<float> random_floats(std::size_t n, std::mt19937_64& rng) {
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& x : out) x = normal(rng);
  return out;
}

}  // namespace

TEST_CASE("float kernels agree with a double loop at every length and offset") {
  std::mt19937_64 rng(test_seed());
  INFO("seed " << test_seed());
  const auto q = random_floats(400, rng), x = random_floats(400, rng);
  for (const simd::Kernels* k : usable_kernels()) {
    INFO("kernel " << k->name);
    std::vector<std::uint16_t> half(400);
    k->f16_from_f32(x.data(), half.data(), 400);
    std::vector<float> rounded(400);
    simd::scalar_kernels().f32_from_f16(half.data(), rounded.data(), 400);
    for (std::size_t offset = 0; offset < 32; offset += 3)
      for (std::size_t n = 0; n <= 300; n += 1 + n / 7) {
        double l2 = 0, dot = 0, l2_half = 0, dot_half = 0;
        for (std::size_t i = 0; i < n; ++i) {
          const double a = q[offset + i], b = x[offset + i], h = rounded[offset + i];
          l2 += (a - b) * (a - b);
          dot += a * b;
          l2_half += (a - h) * (a - h);
          dot_half += a * h;
        }
        const double slack = 1e-5 * (1 + static_cast<double>(n));
        CHECK(std::fabs(k->l2_f32(q.data() + offset, x.data() + offset, n) - l2) < slack);
        CHECK(std::fabs(k->dot_f32(q.data() + offset, x.data() + offset, n) - dot) < slack);
        CHECK(std::fabs(k->l2_f16(q.data() + offset, half.data() + offset, n) - l2_half) < slack);
        CHECK(std::fabs(k->dot_f16(q.data() + offset, half.data() + offset, n) - dot_half) < slack);
      }
  }
}

TEST_CASE("code kernels are bit-identical to the scalar twin for every batch size, length and extreme code") {
  std::mt19937_64 rng(test_seed());
  INFO("seed " << test_seed());
  const std::size_t stride = 416, rows = 37;
  const auto code = [&] { return static_cast<std::uint8_t>(rng() % 5 == 0 ? (rng() % 2) * 127 : rng() % 128); };
  std::vector<std::uint8_t> base(rows * stride), q(stride), leading(rows * stride / 2), trailing(rows * stride / 2);
  std::vector<std::int8_t> dot_q(stride);
  for (auto& c : base) c = code();
  for (auto& c : q) c = code();
  for (auto& c : dot_q)
    c = static_cast<std::int8_t>(rng() % 5 == 0 ? (rng() % 2 ? 127 : -127) : static_cast<int>(rng() % 255) - 127);
  split_codes(base.data(), base.size(), leading.data(), trailing.data());
  const simd::Kernels& slow = simd::scalar_kernels();
  for (const simd::Kernels* k : usable_kernels()) {
    INFO("kernel " << k->name);
    for (std::size_t length = 32; length <= stride; length += 32)
      for (std::size_t count = 0; count <= rows; ++count) {
        std::vector<std::uint32_t> picked(count);
        for (auto& p : picked) p = static_cast<std::uint32_t>(rng() % rows);
        std::vector<std::int32_t> expected(count), got(count);
        const auto same = [&](auto member, const auto* query, const simd::CodeBatch& batch) {
          (slow.*member)(query, batch, expected.data());
          (k->*member)(query, batch, got.data());
          REQUIRE(got == expected);
        };
        const bool prefetch = count % 2 == 0;
        const simd::CodeBatch whole{base.data(), stride, picked.data(), count, length, prefetch};
        const simd::CodeBatch coarse{leading.data(), stride / 2, picked.data(), count, length, prefetch};
        const simd::CodeBatch split{leading.data(), stride / 2, picked.data(), count, length, prefetch, trailing.data()};
        same(&simd::Kernels::l2_coarse, q.data(), coarse);
        same(&simd::Kernels::dot_coarse, dot_q.data(), coarse);
        same(&simd::Kernels::l2_split, q.data(), split);
        same(&simd::Kernels::dot_split, dot_q.data(), split);
        same(&simd::Kernels::dot_codes, dot_q.data(), whole);
        REQUIRE([&] {  // both planes together are the whole codes
          slow.dot_split(dot_q.data(), split, got.data());
          return got == expected;
        }());
        same(&simd::Kernels::l2_codes, q.data(), whole);
        for (std::size_t r = 0; r < count; ++r)
          REQUIRE(k->l2_code_pair(q.data(), base.data() + picked[r] * stride, length) == expected[r]);
      }
  }
}

TEST_CASE("weighted rows add up as a double loop says, at every width") {
  std::mt19937_64 rng(test_seed());
  INFO("seed " << test_seed());
  const std::size_t stride = 210, rows = 40;
  const auto matrix = random_floats(rows * stride, rng), weights = random_floats(rows, rng);
  for (const simd::Kernels* k : usable_kernels())
    for (std::size_t n = 0; n <= stride; n += 1 + n / 5)
      for (const std::size_t count : {0, 1, 17, 40}) {
        INFO("kernel " << k->name << ", " << count << " rows of " << n);
        std::vector<std::uint32_t> picked(count);
        for (auto& p : picked) p = static_cast<std::uint32_t>(rng() % rows);
        std::vector<float> out = random_floats(stride, rng);
        std::vector<double> expected(out.begin(), out.end());
        for (std::size_t r = 0; r < count; ++r)
          for (std::size_t i = 0; i < n; ++i)
            expected[i] += static_cast<double>(weights[r]) * matrix[picked[r] * stride + i];
        k->add_rows({matrix.data(), stride, picked.data(), weights.data(), count}, out.data(), n);
        for (std::size_t i = 0; i < stride; ++i) REQUIRE(std::fabs(out[i] - expected[i]) < 1e-4);
      }
}

TEST_CASE("half conversion of every kernel equals the scalar twin on all halves and on rounding ties") {
  std::vector<std::uint16_t> halves;
  for (std::uint32_t h = 0; h < 65536; ++h)
    if ((h & 0x7C00u) != 0x7C00u) halves.push_back(static_cast<std::uint16_t>(h));
  std::vector<float> wide(halves.size());
  simd::scalar_kernels().f32_from_f16(halves.data(), wide.data(), halves.size());
  std::vector<float> inputs = wide;
  for (std::size_t i = 0; i + 1 < wide.size(); i += 2) {
    inputs.push_back(std::nextafter(wide[i], 1e9f));
    inputs.push_back((wide[i] + wide[i + 1]) / 2);  // ties to even
  }
  for (const float x : {65504.0f, 65519.9f, 65520.0f, 1e9f, -1e9f, 1e-8f, -1e-8f, 6e-8f}) inputs.push_back(x);
  for (const simd::Kernels* k : usable_kernels()) {
    INFO("kernel " << k->name);
    std::vector<float> back(halves.size());
    k->f32_from_f16(halves.data(), back.data(), halves.size());
    CHECK(back == wide);
    std::vector<std::uint16_t> expected(inputs.size()), got(inputs.size());
    simd::scalar_kernels().f16_from_f32(inputs.data(), expected.data(), inputs.size());
    k->f16_from_f32(inputs.data(), got.data(), inputs.size());
    CHECK(got == expected);
  }
}

TEST_CASE("cosine over a prefix is the cosine of the prefixes") {
  std::mt19937_64 rng(test_seed());
  const auto q = random_floats(96, rng), x = random_floats(96, rng);
  double qx = 0, qq = 0, xx = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    qx += static_cast<double>(q[i]) * x[i];
    qq += static_cast<double>(q[i]) * q[i];
    xx += static_cast<double>(x[i]) * x[i];
  }
  const ExactDistance prefix(Metric::cosine, q.data(), 40, 96);
  CHECK(std::fabs(prefix(x.data()) - (1 - qx / std::sqrt(qq * xx))) < 1e-5);
}
