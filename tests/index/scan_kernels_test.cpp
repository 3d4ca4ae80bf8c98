#include <algorithm>
#include <random>
#include <vector>

#include "index/distance.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::test_seed;

namespace {

constexpr std::size_t kStride = 416, kRows = 53;

struct Input {
  std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(kRows * kStride);
  std::vector<std::int8_t> queries = std::vector<std::int8_t>(9 * kStride);

  explicit Input(std::mt19937_64& rng) {
    for (auto& c : codes) c = static_cast<std::uint8_t>(rng() % 4 == 0 ? (rng() % 2) * 127 : rng() % 128);
    for (auto& q : queries)
      q = static_cast<std::int8_t>(rng() % 4 == 0 ? (rng() % 2 ? simd::kScanQueryMax : -simd::kScanQueryMax)
                                                  : static_cast<int>(rng() % 129) - 64);
  }
};

struct Packed {
  std::vector<std::uint8_t> bytes;
  std::vector<std::int32_t> bias;
  bool operator==(const Packed&) const = default;
};

Packed pack(const simd::ScanKernels& k, const Input& in, const std::vector<std::uint32_t>& rows, std::size_t length) {
  const std::size_t groups = (rows.size() + simd::kGroup - 1) / simd::kGroup;
  Packed out{std::vector<std::uint8_t>(groups * simd::kGroup * length, 0xAA),
             std::vector<std::int32_t>(groups * simd::kGroup, 3)};
  k.pack({in.codes.data(), kStride, rows.data(), rows.size(), length, rows.size() % 2 == 0}, out.bytes.data(),
         simd::kGroup * length, out.bias.data());
  return out;
}

}  // namespace

TEST_CASE("scan kernels pack and compare bit-identically to the scalar twin for every shape and extreme code") {
  std::mt19937_64 rng(test_seed());
  INFO("seed " << test_seed());
  const Input in(rng);
  for (const simd::ScanKernels* k : usable_scan_kernels()) {
    INFO("kernel " << k->name);
    for (std::size_t length = 32; length <= kStride; length += 96)
      for (std::size_t count = 0; count <= kRows; ++count) {
        std::vector<std::uint32_t> rows(count);
        for (auto& r : rows) r = static_cast<std::uint32_t>(rng() % kRows);
        const Packed packed = pack(*k, in, rows, length);
        REQUIRE(packed == pack(simd::scalar_scan_kernels(), in, rows, length));
        const std::size_t queries = count % 10;
        const simd::ScanBlock block{packed.bytes.data(),
                                    simd::kGroup * length,
                                    packed.bias.size() / simd::kGroup,
                                    length,
                                    packed.bias.data(),
                                    in.queries.data(),
                                    kStride,
                                    queries};
        const std::size_t stride = packed.bias.size() + 5;
        std::vector<std::int32_t> got(queries * stride, -7), expected(queries * stride, -7);
        k->keys(block, got.data(), stride);
        simd::scalar_scan_kernels().keys(block, expected.data(), stride);
        REQUIRE(got == expected);
      }
  }
}

TEST_CASE("a key and the query's own share are the squared distance of two codes") {
  std::mt19937_64 rng(test_seed());
  const Input in(rng);
  const std::vector<std::uint32_t> rows{4, 0, 17};
  const Packed packed = pack(scan_kernels(), in, rows, kStride);
  std::vector<std::uint8_t> query(kStride);
  std::vector<std::int8_t> centred(kStride);
  std::int64_t own = 0;
  for (std::size_t j = 0; j < kStride; ++j) {
    query[j] = static_cast<std::uint8_t>(rng() % 128);
    centred[j] = static_cast<std::int8_t>(query[j] - 64);
    own += query[j] * query[j];
  }
  std::int32_t keys[simd::kGroup], sums[3];
  scan_kernels().keys(
      {packed.bytes.data(), simd::kGroup * kStride, 1, kStride, packed.bias.data(), centred.data(), kStride, 1}, keys,
      simd::kGroup);
  kernels().l2_codes(query.data(), {in.codes.data(), kStride, rows.data(), 3, kStride, true}, sums);
  for (std::size_t r = 0; r < 3; ++r) CHECK(keys[r] - 3 + own == sums[r]);  // the bias began at 3
}

TEST_CASE("the positions of small keys are found by every scan kernel") {
  std::mt19937_64 rng(test_seed());
  INFO("seed " << test_seed());
  for (const simd::ScanKernels* k : usable_scan_kernels())
    for (std::size_t count = 0; count < 70; ++count)
      for (const std::int32_t limit : {-3, 0, 2, 2147483647, -2147483647 - 1}) {
        INFO("kernel " << k->name << ", " << count << " keys, limit " << limit);
        std::vector<std::int32_t> keys(count);
        for (auto& key : keys) key = rng() % 9 == 0 ? 2147483647 : static_cast<std::int32_t>(rng() % 11) - 5;
        std::vector<std::uint32_t> expected, got(count + 16);
        for (std::uint32_t i = 0; i < count; ++i)
          if (keys[i] <= limit) expected.push_back(i);
        got.resize(k->at_most(keys.data(), count, limit, got.data()));
        REQUIRE(got == expected);
      }
}
