#include "index/ranking_losses.h"

#include <cmath>
#include <random>

#include "index/error.h"
#include "index/ranking_metrics.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using Values = std::vector<double>;

namespace {

void check_gradient(const LossFunction& loss, Values scores, const Values& labels) {
  const RankingLoss at = loss(scores, labels);
  REQUIRE(at.gradient.size() == scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    constexpr double kStep = 1e-5;
    const double here = scores[i];
    scores[i] = here + kStep;
    const double up = loss(scores, labels).loss;
    scores[i] = here - kStep;
    const double down = loss(scores, labels).loss;
    scores[i] = here;
    CHECK(at.gradient[i] == Approx((up - down) / (2 * kStep)).margin(1e-6));
  }
}

}  // namespace

TEST_CASE("the losses have the published values") {
  CHECK(softmax_loss(Values{2, 1, 3}, Values{1, 0, 0}).loss == Approx(1.40761).margin(1e-5));
  CHECK(approx_mrr_loss(Values{0, 1, 3, 2}, Values{0, 0, 1, 2}).loss == Approx(-0.69659).margin(1e-5));
  CHECK(approx_ndcg_loss(Values{0, 1, 3, 2}, Values{0, 0, 1, 2}).loss == Approx(-0.71789).margin(1e-5));
  CHECK(bound_mrr_loss(Values{0, 1, 3, 2}, Values{0, 1, 0, 1}).loss == Approx(-0.33333).margin(1e-5));
  const RankingLoss ndcg = approx_ndcg_loss(Values{-1, 1, 0}, Values{0, 0, 1});
  CHECK(-ndcg.loss == Approx(0.63093).margin(1e-5));
  const Values published{-0.03764, -0.03764, 0.07528};  // of ndcg itself
  for (std::size_t i = 0; i < 3; ++i) CHECK(-ndcg.gradient[i] == Approx(published[i]).margin(1e-5));
}

TEST_CASE("every gradient equals finite differences") {
  std::mt19937_64 rng(nestor::tests::test_seed());
  std::normal_distribution<double> normal;
  for (int round = 0; round < 20; ++round) {
    Values scores(7), labels(7);
    for (double& s : scores) s = 2 * normal(rng);
    for (double& y : labels) y = static_cast<double>(rng() % 3);
    check_gradient(softmax_loss, scores, labels);
    check_gradient(pairwise_logistic_loss, scores, labels);
    check_gradient([](auto s, auto y) { return approx_ndcg_loss(s, y, 0.7); }, scores, labels);
    check_gradient([](auto s, auto y) { return approx_mrr_loss(s, y, 0.7); }, scores, labels);
    check_gradient(bound_mrr_loss, scores, labels);
    check_gradient(
        [](auto s, auto y) {
          return gumbel_loss([](auto a, auto b) { return approx_ndcg_loss(a, b); }, s, y, {7, 4, 0.5});
        },
        scores, labels);
  }
}

TEST_CASE("cold smooth ranks are ranks") {
  const Values scores{3, 1, 2, -4}, labels{0, 2, 1, 1};
  CHECK(-approx_ndcg_loss(scores, labels, 1e-3).loss ==
        Approx(ranking_metric(RankingMetric::ndcg, {scores, labels})).margin(1e-9));
  CHECK(-approx_mrr_loss(scores, labels, 1e-3).loss ==
        Approx(ranking_metric(RankingMetric::mrr, {scores, labels})).margin(1e-9));
}

TEST_CASE("lists without anything relevant lose nothing, and bad input is refused") {
  const Values scores{1, 2}, none{0, 0};
  for (const RankingLoss& loss : {approx_ndcg_loss(scores, none), approx_mrr_loss(scores, none),
                                  bound_mrr_loss(scores, none), pairwise_logistic_loss(scores, none)}) {
    CHECK(loss.loss == 0);
    CHECK(loss.gradient == Values{0, 0});
  }
  CHECK_THROWS_AS(softmax_loss(scores, Values{1}), Error);
  CHECK_THROWS_AS(approx_ndcg_loss(scores, none, 0), Error);
  CHECK_THROWS_AS(gumbel_loss(softmax_loss, scores, none, {1, 0, 1}), Error);
}
