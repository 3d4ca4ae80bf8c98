#include "index/layout.h"

#include <algorithm>
#include <cmath>

#include "index/error.h"
#include "index/layout_choice.h"
#include "index/mixing.h"
#include "index/ranking_end.h"
#include "index/row_copies.h"
#include "index/row_scorer.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::nested_vectors;

namespace {

CollectionOptions options_of(std::uint32_t dim, Rotation rotation = Rotation::none) {
  CollectionOptions options;
  options.dim = dim;
  options.rotation = rotation;
  return options.validated();
}

double squared(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t j = 0; j < dim; ++j) sum += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
  return sum;
}

}  // namespace

TEST_CASE("a layout survives its bytes and refuses those of another collection") {
  const CollectionOptions options = options_of(384);
  for (const Layout& layout : layouts_to_try(options)) {
    const auto bytes = layout.to_bytes();
    CHECK(Layout::from_bytes(bytes, options) == layout);
    CHECK_THROWS_AS(Layout::from_bytes(bytes, options_of(96)), Error);
    for (std::size_t length = 0; length < bytes.size(); ++length)
      CHECK_THROWS_AS(Layout::from_bytes(std::span(bytes).first(length), options), Error);
  }
}

TEST_CASE("layouts are tried from what was asked for to walks over stored rows") {
  const auto plain = layouts_to_try(options_of(384));
  CHECK(plain.front() == Layout::of(options_of(384)));
  CHECK(plain.back().walks_rows);
  const auto turned = layouts_to_try(options_of(384, Rotation::pca));
  CHECK(turned.front().rotates_codes);
  CHECK(std::any_of(turned.begin(), turned.end(), [](const Layout& l) { return !l.rotates_codes && !l.walks_rows; }));
  CollectionOptions asked;
  asked.dim = 384;
  asked.graphs = {64, 128};
  const auto kept = layouts_to_try(asked.validated());
  CHECK(kept.front().graphs == std::vector<std::uint32_t>{64, 128});
  CHECK(std::any_of(kept.begin(), kept.end(), [](const Layout& l) {
    return l.graphs == std::vector<std::uint32_t>{64, 128, 384};
  }));
}

TEST_CASE("mixing keeps distances whatever the dimension") {
  for (const std::size_t dim : {1, 2, 3, 31, 64, 100, 384, 1000}) {
    INFO("dim " << dim);
    const auto rows = nested_vectors(2, dim, 5);
    const Mixing mixing(dim);
    std::vector<float> a(dim), b(dim);
    mixing.apply(rows.data(), a.data());
    mixing.apply(rows.data() + dim, b.data());
    CHECK(squared(a.data(), b.data(), dim) == Approx(squared(rows.data(), rows.data() + dim, dim)).epsilon(1e-4));
  }
}

TEST_CASE("mixing spreads a row of one coordinate over all of them") {
  for (const std::size_t at : {0, 100, 383}) {
    std::vector<float> row(384, 0.0f), mixed(384);
    row[at] = 1;
    Mixing(384).apply(row.data(), mixed.data());
    CHECK(std::count_if(mixed.begin(), mixed.end(), [](float x) { return std::fabs(x) > 0.01f; }) > 300);
    CHECK(std::fabs(*std::max_element(mixed.begin(), mixed.end())) < 0.3f);
  }
}

TEST_CASE("copies of rows are found, the first of each kind stays") {
  const std::size_t dim = 5;
  auto rows = nested_vectors(100, dim, 3);
  const auto copy = [&](std::size_t from, std::size_t to) { std::copy_n(rows.data() + from * dim, dim, rows.data() + to * dim); };
  copy(3, 50);
  copy(3, 70);
  copy(9, 10);
  const std::vector<RowCopy> wanted{{3, 50}, {3, 70}, {9, 10}};
  CHECK(find_copies(rows.data(), 100, dim, 0, {}, 2) == wanted);
  const auto bytes = RowCopies::to_bytes(wanted);
  const RowCopies copies(bytes, 100);
  CHECK(copies.of(3).size() == 2);
  CHECK(copies.of(9).front().row == 10);
  CHECK(copies.of(50).empty());
  CHECK_THROWS_AS(RowCopies(bytes, 70), Error);
  // Rows that stood in a graph before are no copies, what comes behind them is.
  CHECK(find_copies(rows.data(), 100, dim, 60, {}, 1) == std::vector<RowCopy>{{3, 70}});
}

TEST_CASE("ranking ends where estimates, moved by what measuring changes, are beyond the k-th") {
  RankingEnd end;
  end.start(2, 3);
  CHECK(std::isinf(end.horizon()));
  end.add(1.0, 1.5);
  end.add(2.0, 2.5);
  CHECK(end.horizon() == Approx(2.0));  // measuring always adds 0.5: nothing beyond 2.5 - 0.5 matters
  end.add(3.0, 3.9);
  CHECK(end.horizon() > 2.0);  // it is less certain now
  end.add(0.1, std::numeric_limits<double>::infinity());
  CHECK(std::isfinite(end.horizon()));
}

TEST_CASE("keys of stored rows are in the order of their distances, NaN is the farthest") {
  const std::size_t dim = 20, count = 300;
  auto rows = nested_vectors(count, dim, 11);
  rows[7 * dim] = std::numeric_limits<float>::quiet_NaN();
  const auto query = nested_vectors(1, dim, 12);
  const RowMatrix matrix{rows.data(), count, dim, ScalarType::float32};
  for (const Metric metric : {Metric::l2, Metric::dot}) {
    const RowScorer score(matrix, metric, query.data(), dim, 40);
    const ExactDistance distance(metric, query.data(), dim, dim);
    std::vector<std::uint32_t> numbers(count), keys(count);
    for (std::uint32_t r = 0; r < count; ++r) numbers[r] = r;
    score(numbers.data(), count, keys.data());
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t b = 0; b < count; ++b)
        if (a != 7 && b != 7 && distance(matrix, a) < distance(matrix, b)) CHECK(keys[a] <= keys[b]);
    CHECK(keys[7] == 0x7FFFFFFFu);
  }
}
