#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "index/error.h"
#include "index/knn_lm.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

namespace nestor::index {
namespace {

constexpr std::size_t kDim = 16;
constexpr std::size_t kRows = 600;
constexpr std::uint32_t kTokens = 40;

// A datastore with weights and documents (50 rows each), in a graph and a tail.
struct Store {
  explicit Store(Metric metric_in, ScalarType scalar = ScalarType::float32) : metric(metric_in) {
    CollectionOptions options;
    options.dim = kDim;
    options.metric = metric_in;
    options.scalar_type = scalar;
    options.widths = {8, 16};
    options.exact_below = 100;
    collection = std::make_unique<Collection>("words", options, std::make_shared<tests::MemoryRecordStore>(),
                                              std::make_shared<tests::MemoryGenerationStore>());
    rows = tests::nested_vectors(kRows, kDim, 1);
    queries = tests::nested_vectors(32, kDim, 2);
    for (float& x : rows) x = std::round(x * 64) / 64;  // exact in float16
    std::vector<Point> points;
    for (std::size_t i = 0; i < kRows; ++i) {
      points.push_back({PointId::number(i),
                        std::span(rows).subspan(i * kDim, kDim),
                        {},
                        static_cast<std::uint32_t>(i * 7 % kTokens)});
      columns.set_weight(static_cast<Slot>(i), static_cast<float>(1 + i % 5));
      columns.set_document(static_cast<Slot>(i), i / 50);
    }
    columns.finish(kRows);
    collection->upsert(std::span(points).first(500));
    collection->build();
    collection->upsert(std::span(points).subspan(500));
  }

  double distance(const float* q, std::size_t row) const {
    const float* x = &rows[row * kDim];
    double l2 = 0, dot = 0, qq = 0, xx = 0;
    for (std::size_t j = 0; j < kDim; ++j) {
      l2 += std::pow(double{q[j]} - x[j], 2);
      dot += double{q[j]} * x[j];
      qq += double{q[j]} * q[j];
      xx += double{x[j]} * x[j];
    }
    return metric == Metric::l2 ? l2 : metric == Metric::dot ? -dot : 1 - dot / std::sqrt(qq * xx);
  }

  // p(token), written out without any care for overflow.
  std::vector<double> slow(std::size_t query, const LookupOptions& o) const {
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t i = 0; i < kRows; ++i) {
      if (!o.excluded_documents.empty() && o.excluded_documents[query] == i / 50) continue;
      order.emplace_back(distance(&queries[query * kDim], i), i);
    }
    std::sort(order.begin(), order.end());
    if (order.size() > o.search.k) order.resize(o.search.k);
    std::vector<double> p(kTokens);
    double total = 0;
    for (const auto& [d, i] : order) {
      const double w = o.columns != nullptr ? 1.0 + static_cast<double>(i % 5) : 1.0;
      const double term = o.weight_mode == WeightMode::compatible ? std::exp((std::log(w) - d) / o.temperature)
                                                                  : w * std::exp(-d / o.temperature);
      p[i * 7 % kTokens] += term;
      total += term;
    }
    for (double& one : p) one /= total;
    return p;
  }

  std::size_t count() const { return queries.size() / kDim; }

  Metric metric;
  std::unique_ptr<Collection> collection;
  std::vector<float> rows, queries;
  RowColumns columns;
};

std::vector<double> dense(const LookupResult& result) {
  std::vector<double> p(kTokens);
  for (const TokenProbability& one : result.tokens) p.at(one.token) = one.probability;
  return p;
}

double total_variation(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::fabs(a[i] - b[i]);
  return sum / 2;
}

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::invalid_argument);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("weights enter a distribution by either rule, whatever the metric", "[knn_lm]") {
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine}) {
    const Store store(metric);
    for (const WeightMode mode : {WeightMode::after_temperature, WeightMode::compatible})
      for (const double temperature : {0.5, 4.0}) {
        LookupOptions options;
        options.search.k = 64;
        options.search.exact = true;
        options.temperature = temperature;
        options.columns = &store.columns;
        options.weight_mode = mode;
        const auto results = lookup(*store.collection, store.queries, store.count(), options, 2);
        for (std::size_t q = 0; q < store.count(); ++q)
          REQUIRE(total_variation(dense(results[q]), store.slow(q, options)) < 1e-5);
      }
  }
}

TEST_CASE("a score is the log of the mixture at the target", "[knn_lm]") {
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine}) {
    const Store store(metric);
    std::vector<std::uint32_t> targets(store.count());
    std::vector<float> lm(store.count()), lambdas(store.count());
    for (std::size_t q = 0; q < store.count(); ++q) {
      targets[q] = static_cast<std::uint32_t>(q % kTokens);
      lm[q] = -1.0f - 0.1f * static_cast<float>(q);
      lambdas[q] = static_cast<float>(q % 5) / 4;  // 0 and 1 among them
    }
    LookupOptions options;
    options.search.k = 50;
    options.search.exact = true;
    options.temperature = 2;
    const auto scores = score(*store.collection, store.queries, store.count(), {targets, lm, lambdas}, options, 2);
    for (std::size_t q = 0; q < store.count(); ++q) {
      const double p = store.slow(q, options)[targets[q]];
      const double mixed = lambdas[q] * p + (1 - lambdas[q]) * std::exp(double{lm[q]});
      CHECK(scores[q].log_probability == Approx(mixed > 0 ? std::log(mixed) : kAbsentLogProbability).margin(1e-5));
      CHECK(scores[q].searched == (lambdas[q] == 0 ? 0 : 50));
      if (lambdas[q] > 0)
        CHECK(scores[q].knn_log_probability == Approx(p > 0 ? std::log(p) : kAbsentLogProbability).margin(1e-5));
    }
  }
}

TEST_CASE("a score stays exact where the probability itself would be 0", "[knn_lm]") {
  const std::vector<float> distances{0, 1e6f, 1e6f};
  const std::vector<std::uint32_t> values{1, 2, 2};
  CHECK(token_log_probability({distances, values}, 2) == Approx(-1e6 + std::log(2.0)));
  CHECK(token_log_probability({distances, values}, 1) == 0);
  CHECK(token_log_probability({distances, values}, 3) == -std::numeric_limits<double>::infinity());
  CHECK(mixed_log_probability(-1e6, -2e6, 0.5) == Approx(-1e6 + std::log(0.5)));
  CHECK(mixed_log_probability(-std::numeric_limits<double>::infinity(), -2, 0.25) == Approx(-2 + std::log(0.75)));
}

TEST_CASE("a small temperature and large weights do not overflow", "[knn_lm]") {
  const std::vector<float> distances{0, 1, 2}, weights{1, 1e30f, 5};
  const std::vector<std::uint32_t> values{1, 2, 3};
  for (const WeightMode mode : {WeightMode::after_temperature, WeightMode::compatible})
    for (const double temperature : {1e-300, 1e-3, 1e300}) {
      const auto tokens = token_distribution({distances, values, weights, temperature, mode});
      double sum = 0;
      for (const auto& one : tokens) sum += one.probability;
      CHECK(sum == Approx(1));
    }
}

TEST_CASE("adaptive k keeps its bound on the distribution of all k", "[knn_lm]") {
  for (const Metric metric : {Metric::l2, Metric::dot, Metric::cosine}) {
    const Store store(metric);
    for (const double eta : {0.2, 0.01, 1e-4})
      for (const double temperature : {0.05, 0.5, 5.0})
        for (const bool weighted : {false, true}) {
          LookupOptions options;
          options.search.k = 400;
          options.search.exact = true;
          options.temperature = temperature;
          if (weighted) options.columns = &store.columns;
          const auto all = lookup(*store.collection, store.queries, store.count(), options, 2);
          options.eta = eta;
          const auto some = lookup(*store.collection, store.queries, store.count(), options, 2);
          for (std::size_t q = 0; q < store.count(); ++q) {
            const double moved = total_variation(dense(all[q]), dense(some[q]));
            REQUIRE(moved <= some[q].total_variation_bound + 1e-9);
            REQUIRE(some[q].total_variation_bound <= eta);
            REQUIRE(some[q].searched <= 400);
          }
        }
  }
}

TEST_CASE("adaptive k asks for few neighbours where the distribution is peaked, for all where it is flat", "[knn_lm]") {
  const Store store(Metric::l2);
  LookupOptions options;
  options.search.k = 512;
  options.search.exact = true;
  options.eta = 0.01;
  options.temperature = 0.01;
  for (const auto& result : lookup(*store.collection, std::span(store.rows).first(20 * kDim), 20, options))
    CHECK(result.searched == 32);
  options.temperature = 1e6;
  for (const auto& result : lookup(*store.collection, std::span(store.rows).first(20 * kDim), 20, options)) {
    CHECK(result.searched == 512);
    CHECK(result.total_variation_bound == 0);
  }
}

TEST_CASE("a document's own rows are left out when asked", "[knn_lm]") {
  const Store store(Metric::l2);
  std::vector<std::uint64_t> documents;
  for (std::size_t q = 0; q < store.count(); ++q) documents.push_back(q % 3 == 2 ? kNoDocument : q % 12);
  for (const bool exact : {true, false}) {
    LookupOptions options;
    options.search.k = 60;
    options.search.exact = exact;
    options.search.candidates_to_explore = 600;  // everything: the walk is then as good as a scan
    options.columns = &store.columns;
    options.excluded_documents = documents;
    const auto found = neighbours(*store.collection, store.queries, store.count(), options, 2);
    for (std::size_t q = 0; q < store.count(); ++q) {
      REQUIRE(found[q].hits.size() == 60);
      for (const Hit& hit : found[q].hits) REQUIRE(hit.id.low / 50 != documents[q]);
    }
    const auto results = lookup(*store.collection, store.queries, store.count(), options, 2);
    for (std::size_t q = 0; q < store.count(); ++q)
      REQUIRE(total_variation(dense(results[q]), store.slow(q, options)) < 1e-5);
  }
}

TEST_CASE("a warm start finds the same neighbours", "[knn_lm]") {
  const Store store(Metric::l2);
  LookupOptions options;
  options.search.k = 10;
  options.search.candidates_to_explore = 100;
  const auto cold = neighbours(*store.collection, store.queries, store.count(), options);
  const std::vector<Slot> entries{3, 77, 77, 499, 550, 4000};  // repeated, in the tail, unknown
  options.search.entry_slots = entries;
  const auto warm = neighbours(*store.collection, store.queries, store.count(), options);
  std::size_t same = 0;
  for (std::size_t q = 0; q < store.count(); ++q)
    for (std::size_t i = 0; i < 10; ++i) same += cold[q].hits[i].id == warm[q].hits[i].id;
  CHECK(same >= store.count() * 10 * 95 / 100);
}

TEST_CASE("kNN-LM queries refuse what does not fit", "[knn_lm]") {
  const Store store(Metric::l2);
  const std::vector<std::uint32_t> targets(store.count(), 1);
  const std::vector<float> lm(store.count(), -1.0f), half{0.5f};
  LookupOptions options;
  options.search.k = 10;
  const auto scored = [&](ScoreTargets t, const LookupOptions& o) {
    return refusal([&] { score(*store.collection, store.queries, store.count(), t, o); });
  };
  CHECK(scored({targets, lm, half}, options).empty());
  CHECK(scored({std::span(targets).first(3), lm, half}, options).find("3 targets") != std::string::npos);
  CHECK(scored({targets, std::span(lm).first(3), half}, options).find("3 language model") != std::string::npos);
  CHECK(scored({targets, lm, std::span(lm).first(3)}, options).find("3 lambdas") != std::string::npos);
  CHECK(scored({targets, lm, lm}, options).find("0..1") != std::string::npos);
  const std::vector<float> nan(store.count(), std::nanf("")), above(store.count(), 0.5f);
  CHECK_FALSE(scored({targets, nan, half}, options).empty());
  CHECK_FALSE(scored({targets, above, half}, options).empty());
  CHECK_FALSE(scored({targets, lm, std::span(nan).first(1)}, options).empty());
  options.eta = 1;
  CHECK(scored({targets, lm, half}, options).find("eta") != std::string::npos);
  options.eta = std::nan("");
  CHECK(scored({targets, lm, half}, options).find("eta") != std::string::npos);
  options.eta = 0;
  const std::vector<std::uint64_t> documents(store.count(), 1);
  options.excluded_documents = documents;
  CHECK(scored({targets, lm, half}, options).find("no documents") != std::string::npos);
  options.columns = &store.columns;
  options.excluded_documents = std::span(documents).first(2);
  CHECK(scored({targets, lm, half}, options).find("2 documents") != std::string::npos);
  RowColumns columns;
  for (const float weight : {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()})
    CHECK_FALSE(refusal([&] { columns.set_weight(1, weight); }).empty());
}

}  // namespace nestor::index
