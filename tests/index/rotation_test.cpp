#include "index/rotation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "index/error.h"
#include "tests/support/catch.h"

using nestor::index::Error;
using nestor::index::ErrorCode;
using nestor::index::PcaRotation;

namespace {

constexpr unsigned kSeed = 20240607;

// Rows whose coordinates are mixed and of falling variance, far from the origin.
std::vector<float> mixed_rows(std::size_t count, std::uint32_t dim, unsigned seed = kSeed) {
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> mixing(std::size_t{dim} * dim);
  for (std::uint32_t j = 0; j < dim; ++j)
    for (std::uint32_t i = 0; i < dim; ++i) mixing[j * dim + i] = normal(random) / std::sqrt(1.0f + j);
  std::vector<float> rows(count * dim);
  for (std::size_t r = 0; r < count; ++r)
    for (std::uint32_t j = 0; j < dim; ++j) {
      const float factor = normal(random);
      for (std::uint32_t i = 0; i < dim; ++i)
        rows[r * dim + i] += factor * mixing[j * dim + i] + (j == 0 ? 2.0f : 0.0f);
    }
  return rows;
}

std::vector<float> rotated(const PcaRotation& rotation, const std::vector<float>& rows) {
  std::vector<float> out(rows.size());
  rotation.apply_batch(rows, rows.size() / rotation.dim(), rotation.dim(), out);
  return out;
}

// R as it is stored: the last dim x dim floats of the block.
std::vector<float> matrix_of(const PcaRotation& rotation) {
  const std::uint32_t dim = rotation.dim();
  std::vector<float> matrix(std::size_t{dim} * dim);
  std::memcpy(matrix.data(), rotation.bytes().data() + rotation.bytes().size() - matrix.size() * sizeof(float),
              matrix.size() * sizeof(float));
  return matrix;
}

double squared_distance(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

double dot(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += double{a[i]} * b[i];
  return sum;
}

// The largest entry of |R R^T - I|, in double.
double orthonormality_error(const PcaRotation& rotation) {
  const std::size_t dim = rotation.dim();
  const std::vector<float> matrix = matrix_of(rotation);
  double worst = 0;
  for (std::size_t i = 0; i < dim; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      worst = std::max(worst, std::abs(dot(&matrix[i * dim], &matrix[j * dim], dim) - (i == j ? 1.0 : 0.0)));
  return worst;
}

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("nothing was thrown");
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("A rotation is orthonormal and keeps distances at every dimension from 1 to 33", "[rotation]") {
  for (std::uint32_t dim = 1; dim <= 33; ++dim) {
    const std::vector<float> rows = mixed_rows(100, dim, kSeed + dim);
    const PcaRotation rotation = PcaRotation::learn(rows, 100, dim, true);
    const std::vector<float> turned = rotated(rotation, rows);
    INFO("dim " << dim);
    REQUIRE(rotation.dim() == dim);
    REQUIRE(orthonormality_error(rotation) <= 1e-6);
    for (std::size_t i = 1; i < 100; ++i) {
      const double before = squared_distance(&rows[0], &rows[i * dim], dim);
      REQUIRE(squared_distance(&turned[0], &turned[i * dim], dim) == Approx(before).epsilon(1e-5));
    }
  }
}

TEST_CASE("A rotation of many dimensions is orthonormal and keeps distances", "[rotation]") {
  const std::uint32_t dim = 300;
  const std::vector<float> rows = mixed_rows(700, dim);
  const PcaRotation rotation = PcaRotation::learn(rows, 700, dim, true);
  const std::vector<float> turned = rotated(rotation, rows);
  REQUIRE(orthonormality_error(rotation) <= 1e-6);
  for (std::size_t i = 1; i < 700; ++i) {
    const double before = squared_distance(&rows[0], &rows[i * dim], dim);
    REQUIRE(squared_distance(&turned[0], &turned[i * dim], dim) == Approx(before).epsilon(1e-5));
  }
}

TEST_CASE("An uncentred rotation keeps dot products and norms", "[rotation]") {
  const std::uint32_t dim = 20;
  const std::vector<float> rows = mixed_rows(200, dim);
  const PcaRotation rotation = PcaRotation::learn(rows, 200, dim, false);
  const std::vector<float> turned = rotated(rotation, rows);
  REQUIRE_FALSE(rotation.centred());
  for (std::size_t i = 0; i < 200; ++i) {
    const double scale = std::sqrt(dot(&rows[0], &rows[0], dim) * dot(&rows[i * dim], &rows[i * dim], dim));
    const double before = dot(&rows[0], &rows[i * dim], dim);
    REQUIRE(std::abs(dot(&turned[0], &turned[i * dim], dim) - before) <= 1e-5 * scale);
  }
}

TEST_CASE("The rotated sample has the reported variances, descending and uncorrelated", "[rotation]") {
  const std::uint32_t dim = 24;
  const std::size_t count = 600;  // more than two blocks of the covariance
  const std::vector<float> rows = mixed_rows(count, dim);
  const PcaRotation rotation = PcaRotation::learn(rows, count, dim, true);
  const std::vector<float> turned = rotated(rotation, rows);
  const auto covariance = [&](std::uint32_t a, std::uint32_t b) {
    double sum = 0;
    for (std::size_t r = 0; r < count; ++r) sum += double{turned[r * dim + a]} * turned[r * dim + b];
    return sum / count;
  };
  const double largest = rotation.variances()[0];
  REQUIRE(rotation.centred());
  for (std::uint32_t i = 0; i < dim; ++i) {
    REQUIRE(covariance(i, i) == Approx(rotation.variances()[i]).epsilon(1e-4).margin(1e-6 * largest));
    if (i > 0) REQUIRE(rotation.variances()[i] <= rotation.variances()[i - 1]);
    for (std::uint32_t j = 0; j < i; ++j) REQUIRE(std::abs(covariance(i, j)) <= 1e-5 * largest);
  }
}

TEST_CASE("One row and a batch of rows come out bit for bit the same, prefixes too", "[rotation]") {
  for (const std::uint32_t dim : {1u, 31u, 32u, 33u, 255u, 300u, 520u}) {
    const std::size_t count = 71;  // not a multiple of any block of the kernel
    const std::vector<float> rows = mixed_rows(count, dim);
    const PcaRotation rotation = PcaRotation::learn(rows, count, dim, true);
    const std::vector<float> turned = rotated(rotation, rows);
    std::vector<float> one(dim), prefix((dim + 1) / 2);
    for (std::size_t r = 0; r < count; ++r) {
      INFO("dim " << dim << ", row " << r);
      const std::span<const float> row(&rows[r * dim], dim);
      rotation.apply(row, one);
      REQUIRE(std::memcmp(one.data(), &turned[r * dim], dim * sizeof(float)) == 0);
      rotation.apply(row, prefix);
      REQUIRE(std::memcmp(prefix.data(), one.data(), prefix.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("The kernel agrees with a slow twin in double", "[rotation]") {
  const std::uint32_t dim = 77;
  const std::vector<float> rows = mixed_rows(90, dim);
  const PcaRotation rotation = PcaRotation::learn(rows, 90, dim, false);
  const std::vector<float> matrix = matrix_of(rotation);
  const std::vector<float> turned = rotated(rotation, rows);
  for (std::size_t r = 0; r < 90; ++r) {
    const double norm = std::sqrt(dot(&rows[r * dim], &rows[r * dim], dim));
    for (std::uint32_t i = 0; i < dim; ++i)
      REQUIRE(std::abs(turned[r * dim + i] - dot(&matrix[i * dim], &rows[r * dim], dim)) <= 2e-6 * norm);
  }
}

TEST_CASE("A plane of known direction is found, with the sign fixed", "[rotation]") {
  // Variance 9 along (0.6, 0.8), 1 across it.
  std::vector<float> rows;
  for (const float sign : {-1.0f, 1.0f}) {
    rows.insert(rows.end(), {10 + sign * 3 * std::sqrt(2.0f) * 0.6f, 5 + sign * 3 * std::sqrt(2.0f) * 0.8f});
    rows.insert(rows.end(), {10 - sign * std::sqrt(2.0f) * 0.8f, 5 + sign * std::sqrt(2.0f) * 0.6f});
  }
  const PcaRotation rotation = PcaRotation::learn(rows, 4, 2, true);
  const std::vector<float> matrix = matrix_of(rotation);
  REQUIRE(rotation.variances()[0] == Approx(9).epsilon(1e-5));
  REQUIRE(rotation.variances()[1] == Approx(1).epsilon(1e-5));
  REQUIRE(matrix[0] == Approx(0.6).epsilon(1e-5));
  REQUIRE(matrix[1] == Approx(0.8).epsilon(1e-5));
  REQUIRE(matrix[2] == Approx(0.8).epsilon(1e-5));  // its largest coordinate is positive
  REQUIRE(matrix[3] == Approx(-0.6).epsilon(1e-5));
}

TEST_CASE("Constant rows, one row and fewer rows than dimensions give a rotation", "[rotation]") {
  const std::uint32_t dim = 40;
  const auto holds = [&](const std::vector<float>& rows) {
    const PcaRotation rotation = PcaRotation::learn(rows, rows.size() / dim, dim, true);
    REQUIRE(orthonormality_error(rotation) <= 1e-6);
    for (const float variance : rotation.variances()) REQUIRE((std::isfinite(variance) && variance >= 0));
  };
  holds(std::vector<float>(10 * dim, 3.25f));
  holds(std::vector<float>(10 * dim, 0.0f));
  holds(mixed_rows(1, dim));
  holds(mixed_rows(7, dim));
}

TEST_CASE("Very large and very small rows give a rotation", "[rotation]") {
  const std::uint32_t dim = 12;
  for (const float scale : {1e-30f, 1e30f}) {
    std::vector<float> rows = mixed_rows(50, dim);
    for (float& value : rows) value *= scale;
    const PcaRotation rotation = PcaRotation::learn(rows, 50, dim, true);
    REQUIRE(orthonormality_error(rotation) <= 1e-6);
  }
}

TEST_CASE("The same rows give the same bytes, and the bytes the same rotation", "[rotation]") {
  const std::uint32_t dim = 37;
  const std::vector<float> rows = mixed_rows(120, dim);
  for (const bool centred : {false, true}) {
    const PcaRotation rotation = PcaRotation::learn(rows, 120, dim, centred);
    const PcaRotation again = PcaRotation::learn(rows, 120, dim, centred);
    const PcaRotation read = PcaRotation::from_bytes(rotation.bytes());
    REQUIRE(std::ranges::equal(rotation.bytes(), again.bytes()));
    REQUIRE(std::ranges::equal(rotation.bytes(), read.bytes()));
    REQUIRE(read.centred() == centred);
    REQUIRE(read.dim() == dim);
    REQUIRE(rotated(read, rows) == rotated(rotation, rows));
  }
}

TEST_CASE("Damaged bytes of a rotation are refused as data loss", "[rotation]") {
  const std::uint32_t dim = 3;
  const std::vector<float> rows = mixed_rows(20, dim);
  const PcaRotation rotation = PcaRotation::learn(rows, 20, dim, true);
  const std::vector<std::byte> good(rotation.bytes().begin(), rotation.bytes().end());
  const auto code = [](std::span<const std::byte> bytes) { return code_of([&] { PcaRotation::from_bytes(bytes); }); };

  for (std::size_t size = 0; size < good.size(); ++size)
    REQUIRE(code(std::span(good).first(size)) == ErrorCode::data_loss);
  std::vector<std::byte> longer = good;
  longer.push_back(std::byte{0});
  REQUIRE(code(longer) == ErrorCode::data_loss);
  for (std::size_t i = 0; i < good.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> flipped = good;
      flipped[i] ^= std::byte(1 << bit);
      REQUIRE(code(flipped) == ErrorCode::data_loss);
    }
}

TEST_CASE("A rotation refuses wrong sizes and values that are not finite", "[rotation]") {
  std::vector<float> rows = mixed_rows(4, 5);
  const auto learn = [&](std::size_t count, std::uint32_t dim) {
    return code_of([&] { PcaRotation::learn(rows, count, dim, true); });
  };
  REQUIRE(learn(0, 5) == ErrorCode::invalid_argument);
  REQUIRE(learn(4, 0) == ErrorCode::invalid_argument);
  REQUIRE(learn(4, 6) == ErrorCode::invalid_argument);
  REQUIRE(learn(4, nestor::index::kMaxRotationDim + 1) == ErrorCode::invalid_argument);

  const PcaRotation rotation = PcaRotation::learn(rows, 4, 5, true);
  std::vector<float> out(20);
  const std::span<const float> all(rows);
  const std::span<float> to(out);
  const auto apply = [&](std::size_t in, std::size_t given) {
    return code_of([&] { rotation.apply(all.first(in), to.first(given)); });
  };
  REQUIRE(apply(4, 5) == ErrorCode::invalid_argument);
  REQUIRE(apply(5, 6) == ErrorCode::invalid_argument);
  REQUIRE(apply(5, 0) == ErrorCode::invalid_argument);
  REQUIRE(code_of([&] { rotation.apply_batch(all, 3, rotation.dim(), to); }) == ErrorCode::invalid_argument);
  REQUIRE(code_of([&] { rotation.apply_batch(all, 4, rotation.dim(), to.first(15)); }) == ErrorCode::invalid_argument);
  REQUIRE_NOTHROW(rotation.apply_batch(all, 4, rotation.dim(), to));

  rows[7] = std::nanf("");
  REQUIRE(learn(4, 5) == ErrorCode::invalid_argument);
  rows[7] = INFINITY;
  REQUIRE(learn(4, 5) == ErrorCode::invalid_argument);
}

TEST_CASE("a query is rotated as a row is, up to rounding, whether or not it has zeros") {
  const auto rows = mixed_rows(200, 24);
  for (const bool centred : {true, false}) {
    const PcaRotation rotation = PcaRotation::learn(rows, 200, 24, centred);
    for (const std::uint32_t width : {1u, 8u, 24u}) {
      const std::vector<float> columns = rotation.columns(width);
      for (const bool sparse : {false, true}) {
        std::vector<float> row(rows.begin(), rows.begin() + 24), expected(width), out(width);
        for (std::size_t j = 0; sparse && j < row.size(); ++j)
          if (j % 3 != 0) row[j] = 0;
        rotation.apply(row, expected);
        rotation.apply_query(row, columns, out);
        for (std::uint32_t i = 0; i < width; ++i) CHECK(std::fabs(out[i] - expected[i]) < 1e-4);
      }
      std::vector<float> out(width), short_row(23);
      CHECK_THROWS_AS(rotation.apply_query(short_row, columns, out), Error);
    }
  }
}
