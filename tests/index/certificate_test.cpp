#include "index/certificate_book.h"

#include <cmath>
#include <limits>
#include <random>

#include "index/deferral.h"
#include "index/error.h"
#include "index/query_loss.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::test_seed;

namespace {

constexpr ServedState kState{7, 0xABCD, 1000, 1000};
const PolicySpace kSpace{10, 64, 64, 64};

Certificate certificate(double recall, std::uint64_t id) {
  Certificate c;
  c.id = id;
  c.state = kState;
  c.k = 10;
  c.level = {1 - recall, 0.05};
  for (std::uint32_t i = 0; i < 4; ++i) {
    CertifiedPoint point;
    point.policy = {400, 0.4f - 0.1f * static_cast<float>(i), 30, 20, {}};
    point.microseconds = 1000 - 200 * i;
    c.path.push_back(point);
  }
  c.chosen = 1;
  return c;
}

SearchOptions target(double recall) {
  SearchOptions options;
  options.target_recall = recall;
  return options;
}

DepthChoice choose(const CertificateBook& book, const SearchOptions& options, const ServedState& state = kState) {
  return book.choose(options, {state, kSpace, Metric::l2});
}

bool says(const DepthChoice& choice, const std::string& part) {
  INFO(choice.certification.note);
  return choice.certification.note.find(part) != std::string::npos;
}

QueryResult result_of(const std::vector<float>& distances, const std::vector<std::uint32_t>& values = {}) {
  QueryResult result;
  for (std::size_t i = 0; i < distances.size(); ++i) {
    Hit hit;
    hit.distance = distances[i];
    if (!values.empty()) hit.value = values[i];
    result.hits.push_back(hit);
  }
  return result;
}

}  // namespace

TEST_CASE("a target is served by its own certificate, else by the next safer one") {
  const CertificateBook book({certificate(0.99, 1), certificate(0.9, 2), certificate(0.95, 3)});
  auto choice = choose(book, target(0.95));
  CHECK(choice.certification.certified);
  CHECK(choice.certification.certificate == 3);
  CHECK(choice.certification.recall == Approx(0.95));
  CHECK(choice.certification.note.empty());
  CHECK(choice.policy == certificate(0.95, 3).policy());
  choice = choose(book, target(0.93));
  CHECK(choice.certification.certified);
  CHECK(choice.certification.certificate == 3);
  CHECK(says(choice, "0.95, the next safer one"));
  choice = choose(book, target(0.999));
  CHECK_FALSE(choice.certification.certified);
  CHECK(choice.certification.certificate == 0);
  CHECK(choice.policy == safe_policy(kSpace));
  CHECK(says(choice, "the highest recall certified is 0.99"));
}

TEST_CASE("without a certificate the safe policy serves and says so") {
  const CertificateBook book;
  const auto choice = choose(book, target(0.9));
  CHECK_FALSE(choice.certification.certified);
  CHECK(choice.policy == safe_policy(kSpace));
  CHECK(says(choice, "calibrate"));
}

TEST_CASE("a certificate is stale after 1 % churn and after another generation") {
  const Certificate c = certificate(0.95, 1);
  const CertificateBook book({c});
  ServedState now = kState;
  now.next_slot += 10;  // ten inserts of 1,000
  now.points += 10;
  CHECK(choose(book, target(0.9), now).certification.certified);
  now.next_slot += 1;
  now.points += 1;
  CHECK_FALSE(choose(book, target(0.9), now).certification.certified);
  CHECK(says(choose(book, target(0.9), now), "1.10 % of the rows changed"));
  now = kState;
  now.points -= 11;  // deletions
  CHECK_FALSE(choose(book, target(0.9), now).certification.certified);
  now = kState;
  now.next_slot += 6;  // six points written again: six in, six out
  CHECK(churn(kState, now) == Approx(0.012));
  now = kState;
  now.generation = 8;  // the same bytes
  CHECK(choose(book, target(0.9), now).certification.certified);
  now.fingerprint = 1;
  CHECK_FALSE(choose(book, target(0.9), now).certification.certified);
  CHECK(says(choose(book, target(0.9), now), "built anew"));
  now = kState;
  now.next_slot = 5;  // slots numbered anew
  CHECK(std::isinf(churn(kState, now)));
}

TEST_CASE("another k, metric, filter, width or encoder is not what was certified") {
  Certificate c = certificate(0.95, 1);
  c.encoder = "e5";
  const std::vector<std::uint64_t> allowed{1};
  SearchOptions options = target(0.9);
  CHECK(choose(CertificateBook({c}), options).certification.certified);
  options.k = 11;
  CHECK(says(choose(CertificateBook({c}), options), "certified for k = 10, the query asks for 11"));
  options = target(0.9);
  options.width = 32;
  CHECK(says(choose(CertificateBook({c}), options), "full width"));
  options.width = 64;
  CHECK(choose(CertificateBook({c}), options).certification.certified);
  options = target(0.9);
  options.allowed_slots = allowed;
  CHECK(says(choose(CertificateBook({c}), options), "without a filter"));
  options.filter_name = "{\"must\":[]}";
  CHECK_FALSE(choose(CertificateBook({c}), options).certification.certified);
  c.filter = options.filter_name;
  CHECK(choose(CertificateBook({c}), options).certification.certified);
  options.filter_name = "other";
  CHECK(says(choose(CertificateBook({c}), options), "another filter"));
  CHECK_FALSE(choose(CertificateBook({c}), target(0.9)).certification.certified);
  c.filter.clear();
  options = target(0.9);
  options.encoder = "e5";
  CHECK(choose(CertificateBook({c}), options).certification.certified);
  options.encoder = "other";
  CHECK(says(choose(CertificateBook({c}), options), "encoder"));
  c.metric = Metric::dot;
  CHECK(says(choose(CertificateBook({c}), target(0.9)), "another metric"));
  c.metric = Metric::l2;
  c.withdrawn = "the monitor raised an alarm";
  CHECK(says(choose(CertificateBook({c}), target(0.9)), "alarm"));
}

TEST_CASE("a certified promise goes before an expected one, which is not called certified") {
  Certificate expected = certificate(0.95, 1);
  expected.promise = Promise::expected;
  auto choice = choose(CertificateBook({expected}), target(0.95));
  CHECK_FALSE(choice.certification.certified);
  CHECK(choice.certification.certificate == 1);
  CHECK(says(choice, "expected on average"));
  CHECK(choose(CertificateBook({expected, certificate(0.99, 2)}), target(0.95)).certification.certificate == 2);
}

TEST_CASE("a latency budget goes past the certified policy, and the answer is then not certified") {
  const CertificateBook book({certificate(0.95, 1)});  // 1000, 800 (certified), 600, 400 us
  SearchOptions options = target(0.95);
  options.max_latency_ms = 0.9;
  CHECK(choose(book, options).certification.certified);
  options.max_latency_ms = 0.7;
  auto choice = choose(book, options);
  CHECK_FALSE(choice.certification.certified);
  CHECK(choice.policy == certificate(0.95, 1).path[2].policy);
  options.max_latency_ms = 0.1;
  CHECK(says(choose(book, options), "even the cheapest policy takes longer"));
  options.target_recall.reset();
  options.max_latency_ms = 5;
  choice = choose(book, options);
  CHECK(choice.certification.certified);  // the safest fits
  CHECK(choice.policy == certificate(0.95, 1).path[0].policy);
}

TEST_CASE("targets and budgets out of range are refused") {
  const CertificateBook book;
  for (const double recall : {0.0, -1.0, 1.01, std::nan("")}) CHECK_THROWS_AS(choose(book, target(recall)), Error);
  for (const double budget : {0.0, -1.0, std::nan("")}) {
    SearchOptions options;
    options.max_latency_ms = budget;
    CHECK_THROWS_AS(choose(book, options), Error);
  }
}

TEST_CASE("a new certificate replaces the older one for the same question and those of lost graphs") {
  Certificate lost = certificate(0.9, 4);
  lost.state.fingerprint = 1;
  const auto list = merged({certificate(0.95, 2), certificate(0.99, 3), lost}, {certificate(0.95, 0)}, kState);
  REQUIRE(list.size() == 2);
  CHECK(list[0].id == 3);
  CHECK(list[1].id == 5);
}

TEST_CASE("a path leads from the safest policy over the front to the cheapest, within its limit") {
  std::mt19937_64 rng(test_seed());
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<MeasuredPolicy> measured;
  for (std::uint32_t i = 0; i < 500; ++i) {
    MeasuredPolicy m;
    m.policy.explore = i + 1;
    m.cost = 1 + 99 * uniform(rng);
    m.loss = (1 + uniform(rng)) / m.cost;
    measured.push_back(m);
  }
  const MeasuredPolicy safest{{9999, 0, 1, 1, {}}, 0, 200};
  for (const std::size_t limit : {2u, 10u, 500u}) {
    const auto path = policy_path(safest, measured, limit);
    REQUIRE(path.size() >= 2);
    CHECK(path.size() <= limit + 1);
    CHECK(path.front().policy.explore == 9999);
    for (std::size_t i = 1; i < path.size(); ++i) {
      CHECK(path[i].cost < path[i - 1].cost);
      for (const MeasuredPolicy& other : measured)
        CHECK_FALSE((other.cost < path[i].cost && other.loss < path[i].loss));
    }
  }
  CHECK(policy_path(safest, {}, 10).size() == 1);
}

TEST_CASE("policies that a sample cannot tell apart stay on the path") {
  const auto policy = [](std::uint32_t explore, double loss, double cost) {
    return MeasuredPolicy{{explore, 0, 1, 1, {}}, loss, cost};
  };
  const auto path = policy_path(policy(9, 0, 100),
                                {policy(1, 0.1, 10), policy(2, 0, 20), policy(3, 0, 40), policy(4, 0.05, 50),
                                 policy(5, 0, 80), policy(6, 0, 200)},
                                50);
  std::vector<std::uint32_t> order;
  for (const MeasuredPolicy& m : path) order.push_back(m.policy.explore);
  CHECK(order == std::vector<std::uint32_t>{9, 5, 3, 2, 1});
}

TEST_CASE("recall counts a row as near as the k-th, and never more than k") {
  CHECK(tied_recall(std::vector<float>{1, 2, 3}, std::vector<float>{1, 2, 3}) == 1);
  CHECK(tied_recall(std::vector<float>{1, 2, 3}, std::vector<float>{1, 3.000001f, 3.1f}) == Approx(2.0 / 3));
  CHECK(tied_recall(std::vector<float>{1, 2, 2}, std::vector<float>{2, 2, 2, 2, 2}) == 1);
  CHECK(tied_recall(std::vector<float>{-3, -2, -1}, std::vector<float>{-3, -1, -0.9f}) == Approx(2.0 / 3));
  CHECK(tied_recall({}, std::vector<float>{1}) == 1);
  CHECK(tied_recall(std::vector<float>{1, 2}, {}) == 0);
}

TEST_CASE("total variation is half the summed difference of the two distributions") {
  const auto exact = result_of({0, 0}, {5, 6}), found = result_of({0, 0}, {5, 7});
  CHECK(total_variation(exact, found, 1) == Approx(0.5));
  CHECK(total_variation(exact, exact, 1) == 0);
  CHECK(total_variation(exact, result_of({}), 1) == 1);
  CHECK(total_variation(result_of({}), result_of({}), 1) == 0);
  // p = (1, e^-1) / (1 + e^-1), q = (1, 0)
  CHECK(total_variation(result_of({0, 2}, {1, 2}), result_of({0}, {1}), 2) ==
        Approx(std::exp(-1) / (1 + std::exp(-1))));
  CHECK(query_loss(LossKind::tail_recall, 0.5, exact, result_of({0})) == 0);
  CHECK(query_loss(LossKind::tail_recall, 0.6, exact, result_of({0})) == 1);
  CHECK(query_loss(LossKind::recall, 0, exact, result_of({0})) == Approx(0.5));
}

TEST_CASE("the deferral regression finds the rule that made the gains") {
  std::mt19937_64 rng(test_seed());
  std::normal_distribution<float> normal;
  std::vector<WalkFeatures> features(2000);
  std::vector<float> gains;
  const WalkFeatures truth{0.5f, -2, 0, 0.25f, 0, 1};
  for (WalkFeatures& f : features) {
    float gain = 0.3f;
    for (std::size_t i = 0; i < kWalkFeatures; ++i) {
      f[i] = (i == 4 ? 3.0f : 10 * normal(rng));  // one that never varies
      gain += truth[i] * (i == 4 ? 0 : f[i]);
    }
    gains.push_back(gain + 0.1f * normal(rng));
  }
  const DeferralRule rule = fit_deferral(features, gains);
  for (std::size_t i = 0; i < kWalkFeatures; ++i) CHECK(rule.weights[i] == Approx(truth[i]).margin(0.01));
  CHECK(rule.score(features[0]) == Approx(gains[0]).margin(0.5));
  CHECK_THROWS_AS(fit_deferral(features, std::span(gains).first(3)), Error);
  CHECK_THROWS_AS(fit_deferral({}, {}), Error);
}
