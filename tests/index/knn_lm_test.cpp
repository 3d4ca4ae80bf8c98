#include "index/knn_lm.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "index/error.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"

using nestor::index::Error;
using nestor::index::ErrorCode;
using nestor::index::lookup;
using nestor::index::LookupOptions;
using nestor::index::Metric;
using nestor::index::token_distribution;
using nestor::index::TokenProbability;

namespace {

constexpr unsigned kSeed = 20240608;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The formula as it is written in the paper, with nothing done against overflow.
std::map<std::uint32_t, double> slow_distribution(const std::vector<float>& distances,
                                                  const std::vector<std::uint32_t>& values, double temperature) {
  std::map<std::uint32_t, double> tokens;
  double total = 0;
  for (std::size_t i = 0; i < distances.size(); ++i) total += std::exp(-distances[i] / temperature);
  for (std::size_t i = 0; i < distances.size(); ++i) tokens[values[i]] += std::exp(-distances[i] / temperature) / total;
  return tokens;
}

double sum_of(const std::vector<TokenProbability>& tokens) {
  double sum = 0;
  for (const TokenProbability& token : tokens) sum += token.probability;
  return sum;
}

bool is_best_first(const std::vector<TokenProbability>& tokens) {
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    const auto& a = tokens[i - 1];
    const auto& b = tokens[i];
    if (a.probability < b.probability || (a.probability == b.probability && a.token >= b.token)) return false;
  }
  return true;
}

// A collection of random rows and what was put into it; every fifth row has no value.
struct Datastore {
  static constexpr std::uint32_t kDim = 6;

  explicit Datastore(Metric metric, std::size_t count = 300) : metric_(metric) {
    nestor::index::CollectionOptions options;
    options.dim = kDim;
    options.metric = metric;
    options.widths = {2, 4, 6};
    collection = std::make_unique<nestor::index::Collection>("words", options,
                                                             std::make_shared<nestor::tests::MemoryRecordStore>(),
                                                             std::make_shared<nestor::tests::MemoryGenerationStore>());
    rows = random_rows(count, kSeed);
    std::vector<nestor::index::Point> points;
    for (std::size_t i = 0; i < count; ++i) {
      values.push_back(i % 5 == 4 ? std::nullopt : std::optional<std::uint32_t>(i * 7 % 23));
      points.push_back({nestor::index::PointId::number(i), std::span(rows).subspan(i * kDim, kDim), {}, values.back()});
    }
    collection->upsert(points);
  }

  static std::vector<float> random_rows(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> rows(count * kDim);
    for (float& value : rows) value = normal(random);
    return rows;
  }

  double distance(const float* query, std::size_t row) const {
    const float* x = &rows[row * kDim];
    double squared = 0, dot = 0, qq = 0, xx = 0;
    for (std::uint32_t j = 0; j < kDim; ++j) {
      squared += (double{query[j]} - x[j]) * (double{query[j]} - x[j]);
      dot += double{query[j]} * x[j];
      qq += double{query[j]} * query[j];
      xx += double{x[j]} * x[j];
    }
    return metric_ == Metric::l2 ? squared : metric_ == Metric::dot ? -dot : 1 - dot / std::sqrt(qq * xx);
  }

  // Brute force over everything, then the formula written out.
  std::map<std::uint32_t, double> slow_lookup(const float* query, std::size_t k, double temperature) const {
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t i = 0; i < values.size(); ++i) order.emplace_back(distance(query, i), i);
    std::sort(order.begin(), order.end());
    std::vector<float> distances;
    std::vector<std::uint32_t> tokens;
    for (std::size_t i = 0; i < std::min(k, order.size()); ++i) {
      if (!values[order[i].second]) continue;
      distances.push_back(static_cast<float>(order[i].first));
      tokens.push_back(*values[order[i].second]);
    }
    return slow_distribution(distances, tokens, temperature);
  }

  std::unique_ptr<nestor::index::Collection> collection;
  std::vector<float> rows;
  std::vector<std::optional<std::uint32_t>> values;

 private:
  Metric metric_;
};

template <typename Action>
ErrorCode code_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("nothing was thrown");
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("A token distribution agrees with the formula written out", "[knn_lm]") {
  std::mt19937 random(kSeed);
  INFO("seed " << kSeed);
  for (const std::size_t k : {1u, 2u, 10u, 1024u})
    for (const double temperature : {0.3, 1.0, 5.0, 100.0})
      for (const float offset : {0.0f, -20.0f}) {  // negative distances: minus a dot product
        std::uniform_real_distribution<float> distance(0, 30);
        std::uniform_int_distribution<std::uint32_t> token(0, 50);
        std::vector<float> distances(k);
        std::vector<std::uint32_t> values(k);
        for (std::size_t i = 0; i < k; ++i) {
          distances[i] = distance(random) + offset;
          values[i] = token(random);
        }
        const auto slow = slow_distribution(distances, values, temperature);
        const auto fast = token_distribution(distances, values, temperature);
        REQUIRE(fast.size() == slow.size());
        REQUIRE(is_best_first(fast));
        REQUIRE(sum_of(fast) == Approx(1).epsilon(1e-12));
        for (const TokenProbability& one : fast)
          REQUIRE(one.probability == Approx(slow.at(one.token)).epsilon(1e-12).margin(1e-300));
      }
}

TEST_CASE("A hand-computed token distribution", "[knn_lm]") {
  // Weights 1, 1/2, 1/4, 1/4 at T = 1; token 7 has the first and the last.
  const float half = std::log(2.0f);
  const auto tokens =
      token_distribution(std::vector<float>{0, half, 2 * half, 2 * half}, std::vector<std::uint32_t>{7, 3, 9, 7}, 1.0);
  REQUIRE(tokens.size() == 3);
  REQUIRE(tokens[0].token == 7);
  REQUIRE(tokens[0].probability == Approx(0.625).epsilon(1e-6));
  REQUIRE(tokens[1].token == 3);
  REQUIRE(tokens[1].probability == Approx(0.25).epsilon(1e-6));
  REQUIRE(tokens[2].token == 9);
  REQUIRE(tokens[2].probability == Approx(0.125).epsilon(1e-6));
}

TEST_CASE("Equal probabilities are ordered by the smaller token", "[knn_lm]") {
  const auto tokens =
      token_distribution(std::vector<float>{4, 4, 4, 4}, std::vector<std::uint32_t>{9, 2, UINT32_MAX, 0}, 1.0);
  REQUIRE(tokens.size() == 4);
  REQUIRE(tokens[0].token == 0);
  REQUIRE(tokens[1].token == 2);
  REQUIRE(tokens[2].token == 9);
  REQUIRE(tokens[3].token == UINT32_MAX);
  for (const TokenProbability& one : tokens) REQUIRE(one.probability == 0.25);
}

TEST_CASE("A very low temperature leaves the nearest neighbours, a very high one counts tokens", "[knn_lm]") {
  const std::vector<float> distances{1, 1, 1.5, 2, 900};
  const std::vector<std::uint32_t> values{5, 6, 7, 7, 7};
  for (const double temperature : {std::numeric_limits<double>::denorm_min(), DBL_MIN, 1e-9}) {
    const auto tokens = token_distribution(distances, values, temperature);
    REQUIRE(tokens.size() == 3);
    REQUIRE(tokens[0].token == 5);
    REQUIRE(tokens[0].probability == 0.5);
    REQUIRE(tokens[1].probability == 0.5);
    REQUIRE(tokens[2].probability == 0.0);  // the token is named all the same
  }
  for (const double temperature : {1e12, DBL_MAX}) {
    const auto tokens = token_distribution(distances, values, temperature);
    REQUIRE(tokens[0].token == 7);
    REQUIRE(tokens[0].probability == Approx(0.6).epsilon(1e-6));
  }
}

TEST_CASE("Huge and infinite distances neither overflow nor turn into NaN", "[knn_lm]") {
  const std::vector<std::uint32_t> values{1, 2, 3};
  for (const double temperature : {1e-300, 1.0, 1e300}) {
    for (const std::vector<float>& distances : {std::vector<float>{FLT_MAX, FLT_MAX, FLT_MAX},
                                                {-FLT_MAX, 0, FLT_MAX},
                                                {FLT_MAX, kInfinity, kInfinity},
                                                {kInfinity, kInfinity, kInfinity},
                                                {-kInfinity, 0, kInfinity}}) {
      const auto tokens = token_distribution(distances, values, temperature);
      REQUIRE(tokens.size() == 3);
      REQUIRE(sum_of(tokens) == Approx(1).epsilon(1e-12));
      for (const TokenProbability& one : tokens) REQUIRE((one.probability >= 0 && one.probability <= 1));
      REQUIRE(tokens[0].token == 1);
    }
  }
  const auto shifted = token_distribution(std::vector<float>{1e8f, 1e8f + 8, 1e8f + 8}, values, 8.0);
  REQUIRE(shifted[0].probability == Approx(1 / (1 + 2 * std::exp(-1.0))).epsilon(1e-12));
}

TEST_CASE("The order of the neighbours changes a distribution by rounding at most", "[knn_lm]") {
  const std::vector<float> distances{1, 2, 3, 4, 5, 6};
  const std::vector<std::uint32_t> values{1, 2, 1, 2, 1, 2};
  const auto forward = token_distribution(distances, values, 2.0);
  const auto backward = token_distribution(std::vector<float>(distances.rbegin(), distances.rend()),
                                           std::vector<std::uint32_t>(values.rbegin(), values.rend()), 2.0);
  REQUIRE(forward.size() == backward.size());
  for (std::size_t i = 0; i < forward.size(); ++i) {
    REQUIRE(forward[i].token == backward[i].token);
    REQUIRE(forward[i].probability == Approx(backward[i].probability).epsilon(1e-14));
  }
}

TEST_CASE("No neighbours give no tokens", "[knn_lm]") { REQUIRE(token_distribution({}, {}, 1.0).empty()); }

TEST_CASE("Bad input of a token distribution is refused", "[knn_lm]") {
  const std::vector<float> distances{1, 2};
  const std::vector<std::uint32_t> values{1, 2};
  for (const double temperature : {0.0, -1.0, std::nan(""), HUGE_VAL, -HUGE_VAL})
    REQUIRE(code_of([&] { token_distribution(distances, values, temperature); }) == ErrorCode::invalid_argument);
  REQUIRE(code_of([&] { token_distribution(distances, std::vector<std::uint32_t>{1}, 1.0); }) ==
          ErrorCode::invalid_argument);
  REQUIRE(code_of([&] { token_distribution({}, values, 1.0); }) == ErrorCode::invalid_argument);
  REQUIRE(code_of([&] {
            token_distribution(std::vector<float>{1, std::nanf("")}, values, 1.0);
          }) == ErrorCode::invalid_argument);
}

TEST_CASE("A lookup agrees with brute force over the rows, whatever the metric", "[knn_lm]") {
  const std::size_t count = 20;
  const std::vector<float> queries = Datastore::random_rows(count, kSeed + 1);
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine}) {
    const Datastore store(metric);
    for (const std::uint32_t k : {1u, 7u, 64u, 1000u})
      for (const double temperature : {0.2, 1.0, 10.0}) {
        LookupOptions options;
        options.search.k = k;
        options.search.exact = true;
        options.temperature = temperature;
        const auto results = lookup(*store.collection, queries, count, options);
        REQUIRE(results.size() == count);
        for (std::size_t q = 0; q < count; ++q) {
          const auto slow = store.slow_lookup(&queries[q * Datastore::kDim], k, temperature);
          REQUIRE(results[q].tokens.size() == slow.size());
          REQUIRE(is_best_first(results[q].tokens));
          for (const TokenProbability& one : results[q].tokens)
            REQUIRE(one.probability == Approx(slow.at(one.token)).epsilon(1e-4).margin(1e-9));
        }
      }
  }
}

TEST_CASE("A lookup leaves out neighbours without a value and counts the others", "[knn_lm]") {
  const Datastore store(Metric::l2, 10);  // rows 4 and 9 have none
  LookupOptions options;
  options.search.k = 10;
  const auto all = lookup(*store.collection, std::span(store.rows).first(Datastore::kDim), 1, options);
  REQUIRE(all.front().neighbours == 8);
  REQUIRE(sum_of(all.front().tokens) == Approx(1).epsilon(1e-12));

  options.search.k = 1;
  const auto none =
      lookup(*store.collection, std::span(store.rows).subspan(4 * Datastore::kDim, Datastore::kDim), 1, options);
  REQUIRE(none.front().neighbours == 0);
  REQUIRE(none.front().tokens.empty());
}

TEST_CASE("A lookup keeps the best tokens when asked for a few, with their probabilities unchanged", "[knn_lm]") {
  const Datastore store(Metric::l2);
  const std::span<const float> query = std::span(store.rows).first(Datastore::kDim);
  LookupOptions options;
  options.search.k = 100;
  const auto all = lookup(*store.collection, query, 1, options).front().tokens;
  options.top = 3;
  const auto few = lookup(*store.collection, query, 1, options).front().tokens;
  REQUIRE(few.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(few[i].token == all[i].token);
    REQUIRE(few[i].probability == all[i].probability);
  }
  options.top = 1000;
  REQUIRE(lookup(*store.collection, query, 1, options).front().tokens.size() == all.size());
}

TEST_CASE("A lookup of many queries answers in their order, and reports stages when asked", "[knn_lm]") {
  const Datastore store(Metric::l2);
  const std::size_t count = 700;  // several blocks
  const std::vector<float> queries = Datastore::random_rows(count, kSeed + 2);
  LookupOptions options;
  options.search.k = 5;
  options.search.explain = true;
  const auto together = lookup(*store.collection, queries, count, options, 2);
  REQUIRE(together.size() == count);
  for (const std::size_t q : {0u, 255u, 256u, 699u}) {
    const auto alone =
        lookup(*store.collection, std::span(queries).subspan(q * Datastore::kDim, Datastore::kDim), 1, options).front();
    REQUIRE(together[q].tokens.size() == alone.tokens.size());
    for (std::size_t i = 0; i < alone.tokens.size(); ++i) {
      REQUIRE(together[q].tokens[i].token == alone.tokens[i].token);
      REQUIRE(together[q].tokens[i].probability == Approx(alone.tokens[i].probability).epsilon(1e-12));
    }
    REQUIRE_FALSE(together[q].stages.empty());
  }
}

TEST_CASE("A lookup in an empty collection gives no tokens, no queries give no results", "[knn_lm]") {
  const Datastore store(Metric::l2, 0);
  const std::vector<float> query(Datastore::kDim, 1.0f);
  const auto results = lookup(*store.collection, query, 1, {});
  REQUIRE(results.size() == 1);
  REQUIRE(results.front().tokens.empty());
  REQUIRE(results.front().neighbours == 0);
  REQUIRE(lookup(*store.collection, {}, 0, {}).empty());
}

TEST_CASE("A lookup refuses bad temperatures, lengths and k", "[knn_lm]") {
  const Datastore store(Metric::l2, 10);
  const std::vector<float> queries(2 * Datastore::kDim, 1.0f);
  const auto code = [&](std::span<const float> values, std::size_t count, double temperature, std::uint32_t k) {
    LookupOptions options;
    options.temperature = temperature;
    options.search.k = k;
    return code_of([&] { lookup(*store.collection, values, count, options); });
  };
  REQUIRE(code(queries, 2, 0.0, 5) == ErrorCode::invalid_argument);
  REQUIRE(code(queries, 2, std::nan(""), 5) == ErrorCode::invalid_argument);
  REQUIRE(code({}, 0, -1.0, 5) == ErrorCode::invalid_argument);
  REQUIRE(code(std::span(queries).first(7), 2, 1.0, 5) == ErrorCode::invalid_argument);
  REQUIRE(code(std::span(queries).first(10), 2, 1.0, 5) == ErrorCode::invalid_argument);  // 5 is not a width
  REQUIRE(code(queries, 0, 1.0, 5) == ErrorCode::invalid_argument);
  REQUIRE(code(queries, 2, 1.0, 0) == ErrorCode::invalid_argument);
  REQUIRE(code(queries, 2, 1.0, nestor::index::kMaxNeighbours + 1) == ErrorCode::invalid_argument);
}
