#include "index/dispersion.h"

#include <cmath>
#include <vector>

#include "index/error.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

namespace nestor::index {
namespace {

constexpr std::size_t kDim = 12;

double cosine(const float* a, const float* b, std::size_t width) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t j = 0; j < width; ++j) {
    ab += double{a[j]} * b[j];
    aa += double{a[j]} * a[j];
    bb += double{b[j]} * b[j];
  }
  return ab / std::sqrt(aa * bb);
}

// Every pair, as the paper defines it.
double slow(const std::vector<float>& rows, std::size_t width) {
  const std::size_t n = rows.size() / kDim;
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) sum += 1 - cosine(&rows[i * kDim], &rows[j * kDim], width);
  return sum / (static_cast<double>(n) * static_cast<double>(n - 1) / 2);
}

double slow_between(const std::vector<float>& a, const std::vector<float>& b, std::size_t width) {
  double sum = 0;
  std::size_t pairs = 0;
  for (std::size_t i = 0; i < a.size(); i += kDim)
    for (std::size_t j = 0; j < b.size(); j += kDim, ++pairs) sum += 1 - cosine(&a[i], &b[j], width);
  return sum / static_cast<double>(pairs);
}

template <class Call>
bool refuses(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.code() == ErrorCode::invalid_argument;
  }
  return false;
}

}  // namespace

TEST_CASE("dispersion in one pass equals the mean over all pairs, at every width", "[dispersion]") {
  const auto a = tests::nested_vectors(60, kDim, 1), b = tests::nested_vectors(40, kDim, 2);
  const std::vector<std::uint32_t> widths{3, 7, 12};
  Dispersion one(widths), other(widths);
  one.add(a);
  other.add(b);
  for (std::size_t w = 0; w < widths.size(); ++w) {
    CHECK(one.value(w) == Approx(slow(a, widths[w])).epsilon(1e-6));
    CHECK(one.between(other, w) == Approx(slow_between(a, b, widths[w])).epsilon(1e-6));
    CHECK(one.gap(other, w) == Approx(slow(a, widths[w]) + slow_between(a, b, widths[w])).epsilon(1e-6));
  }
}

TEST_CASE("dispersions of parts merge to that of the whole", "[dispersion]") {
  const auto rows = tests::nested_vectors(90, kDim, 3);
  Dispersion whole({kDim}), merged({kDim});
  whole.add(rows);
  for (std::size_t first = 0; first < 90; first += 30) {
    Dispersion part({kDim});
    part.add(std::span(rows).subspan(first * kDim, 30 * kDim));
    merged.merge(part);
  }
  CHECK(merged.rows(0) == 90);
  CHECK(merged.value(0) == Approx(whole.value(0)).epsilon(1e-12));
}

TEST_CASE("equal directions have no dispersion, opposite ones have two", "[dispersion]") {
  Dispersion same({2}), opposite({2});
  same.add(std::vector<float>{1, 1, 5, 5});
  opposite.add(std::vector<float>{1, 1, -3, -3});
  CHECK(same.value(0) == Approx(0).margin(1e-12));
  CHECK(opposite.value(0) == Approx(2));
}

TEST_CASE("zero vectors are left out and counted, prefix by prefix", "[dispersion]") {
  Dispersion d({1, 2});
  d.add(std::vector<float>{0, 1, 1, 0, 0, 0});
  CHECK(d.zero_rows(0) == 2);
  CHECK(d.zero_rows(1) == 1);
  CHECK(d.rows(1) == 2);
  CHECK(d.value(1) == Approx(1));
  CHECK(refuses([&] { d.value(0); }));  // one row with a direction
}

TEST_CASE("dispersion refuses what it cannot measure and adds nothing of it", "[dispersion]") {
  Dispersion d({2});
  CHECK(refuses([&] { d.add(std::vector<float>{1, 2, 3}); }));
  CHECK(refuses([&] { d.add(std::vector<float>{1, 2, 3, std::nanf("")}); }));
  CHECK(d.rows(0) == 0);
  CHECK(refuses([&] { d.merge(Dispersion({3})); }));
  CHECK(refuses([&] { d.between(Dispersion({2}), 0); }));
  CHECK(refuses([&] { d.value(1); }));
  CHECK(refuses([] { Dispersion({}); }));
  CHECK(refuses([] { Dispersion({4, 2}); }));
  CHECK(refuses([] { Dispersion({0}); }));
}

}  // namespace nestor::index
