#include "index/calibration.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

constexpr double kE = 2.718281828459045;

void check_probability(const char* name, double value) {
  if (value > 0 && value < 1) return;
  throw Error(ErrorCode::invalid_argument,
              std::string(name) + " " + std::to_string(value) + " must lie between 0 and 1");
}

void check_level(RiskLevel level) {
  check_probability("epsilon", level.epsilon);
  check_probability("delta", level.delta);
}

void check_losses(std::span<const float> losses) {
  if (losses.empty()) throw Error(ErrorCode::invalid_argument, "no losses to test");
  for (const float loss : losses)
    if (!(loss >= 0 && loss <= 1))
      throw Error(ErrorCode::invalid_argument, "loss " + std::to_string(loss) + " is out of range 0..1");
}

double mean_of(std::span<const float> losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

// Kullback-Leibler divergence of Bernoulli(a) from Bernoulli(b), with 0 ln 0 = 0.
double divergence(double a, double b) {
  const double first = a > 0 ? a * std::log(a / b) : 0;
  const double second = a < 1 ? (1 - a) * std::log((1 - a) / (1 - b)) : 0;
  return first + second;
}

}  // namespace

std::string_view to_string(RiskTest test) {
  switch (test) {
    case RiskTest::hoeffding_bentkus: return "hoeffding-bentkus";
    case RiskTest::clopper_pearson: return "clopper-pearson";
    case RiskTest::betting: return "betting";
  }
  return "unknown";
}

RiskTest parse_risk_test(std::string_view text) {
  for (const RiskTest test : {RiskTest::hoeffding_bentkus, RiskTest::clopper_pearson, RiskTest::betting})
    if (text == to_string(test)) return test;
  throw Error(ErrorCode::invalid_argument,
              "unknown test \"" + std::string(text) + "\", known are betting, hoeffding-bentkus, clopper-pearson");
}

double binomial_cdf(std::uint64_t successes, std::uint64_t trials, double probability) {
  if (!(probability >= 0 && probability <= 1))
    throw Error(ErrorCode::invalid_argument, "probability " + std::to_string(probability) + " is out of range 0..1");
  if (successes >= trials || probability == 0) return 1;
  if (probability == 1) return 0;
  // Downwards from the largest term, or from `successes` where the terms still grow there: each term follows from its
  // neighbour, and the sum is taken relative to the first.
  const auto n = static_cast<double>(trials);
  const double odds = probability / (1 - probability);
  const auto mode = static_cast<std::uint64_t>((n + 1) * probability);
  const std::uint64_t top = std::min(successes, mode);
  const auto t = static_cast<double>(top);
  const double log_top = std::lgamma(n + 1) - std::lgamma(t + 1) - std::lgamma(n - t + 1) + t * std::log(probability) +
                         (n - t) * std::log1p(-probability);
  double sum = 1, term = 1;
  for (std::uint64_t k = top; k > 0 && term > sum * 1e-18; --k) {
    term *= static_cast<double>(k) / (static_cast<double>(trials - k + 1) * odds);
    sum += term;
  }
  term = 1;
  for (std::uint64_t k = top; k < successes && term > sum * 1e-18; ++k) {
    term *= static_cast<double>(trials - k) * odds / static_cast<double>(k + 1);
    sum += term;
  }
  return std::min(1.0, std::exp(log_top) * sum);
}

double hoeffding_bentkus_p_value(double mean_loss, std::size_t n, double epsilon) {
  check_probability("epsilon", epsilon);
  if (n == 0) throw Error(ErrorCode::invalid_argument, "no losses to test");
  if (!(mean_loss >= 0 && mean_loss <= 1))
    throw Error(ErrorCode::invalid_argument, "mean loss " + std::to_string(mean_loss) + " is out of range 0..1");
  const auto count = static_cast<double>(n);
  const double hoeffding = std::exp(-count * divergence(std::min(mean_loss, epsilon), epsilon));
  // The sum of n losses may come out a rounding above a whole number that it is.
  const auto failures = static_cast<std::uint64_t>(std::ceil(count * mean_loss - 1e-9 * count));
  const double bentkus = kE * binomial_cdf(failures, n, epsilon);
  return std::min({1.0, hoeffding, bentkus});
}

double clopper_pearson_p_value(std::uint64_t failures, std::size_t n, double epsilon) {
  check_probability("epsilon", epsilon);
  if (n == 0) throw Error(ErrorCode::invalid_argument, "no losses to test");
  return binomial_cdf(failures, n, epsilon);
}

double betting_p_value(std::span<const float> losses, RiskLevel level) {
  check_level(level);
  check_losses(losses);
  const auto n = static_cast<double>(losses.size());
  const double scale = 2 * std::log(1 / level.delta) / n;
  double wealth = 1, most = 1, sum = 0.5, squares = 0.25, variance = 0.25, i = 0;
  for (const float loss : losses) {
    const double stake = scale >= variance ? 1 : std::sqrt(scale / variance);
    wealth *= 1 - stake * (static_cast<double>(loss) - level.epsilon);
    most = std::max(most, wealth);
    i += 1;
    sum += static_cast<double>(loss);
    const double off = static_cast<double>(loss) - sum / (i + 1);
    squares += off * off;
    variance = squares / (i + 1);
  }
  return 1 / most;
}

double risk_p_value(RiskTest test, std::span<const float> losses, RiskLevel level) {
  check_level(level);
  check_losses(losses);
  if (test == RiskTest::betting) return betting_p_value(losses, level);
  if (test == RiskTest::hoeffding_bentkus)
    return hoeffding_bentkus_p_value(mean_of(losses), losses.size(), level.epsilon);
  std::uint64_t failures = 0;
  for (const float loss : losses) {
    if (loss != 0 && loss != 1)
      throw Error(ErrorCode::invalid_argument, "the clopper-pearson test takes losses of 0 and 1 alone, found " +
                                                   std::to_string(loss) + "; use betting");
    failures += loss == 1;
  }
  return clopper_pearson_p_value(failures, losses.size(), level.epsilon);
}

std::size_t smallest_sample(RiskTest test, RiskLevel level) {
  check_level(level);
  const auto floor = static_cast<std::size_t>(std::ceil(std::log(level.delta) / std::log1p(-level.epsilon)));
  if (test != RiskTest::betting) return floor;
  const auto passes = [&](std::size_t n) { return betting_p_value(std::vector<float>(n, 0.0f), level) <= level.delta; };
  std::size_t fails = 0, good = std::max<std::size_t>(floor, 1);
  while (!passes(good)) {
    fails = good;
    good *= 2;
  }
  while (good - fails > 1) {
    const std::size_t middle = fails + (good - fails) / 2;
    (passes(middle) ? good : fails) = middle;
  }
  return good;
}

std::size_t sample_for(RiskLevel level, double share) {
  check_level(level);
  if (!(share >= 0 && share < 1))
    throw Error(ErrorCode::invalid_argument, "share " + std::to_string(share) + " is out of range 0..1");
  // Not by bisection: whole numbers of failures make the p-value go up and down with n. The Hoeffding half alone gives
  // an end to the search.
  const double end = std::ceil(std::log(1 / level.delta) / divergence(share * level.epsilon, level.epsilon));
  std::size_t n = smallest_sample(RiskTest::hoeffding_bentkus, level);
  while (static_cast<double>(n) < end &&
         hoeffding_bentkus_p_value(share * level.epsilon, n, level.epsilon) > level.delta)
    ++n;
  return n;
}

CalibratedChoice choose_certified(RiskTest test, std::size_t policies, const PolicyLosses& losses, RiskLevel level) {
  check_level(level);
  CalibratedChoice choice;
  for (std::size_t i = 0; i < policies; ++i) {
    const std::span<const float> sample = losses(i);
    const double p = risk_p_value(test, sample, level);
    choice.tested.push_back({mean_of(sample), p});
    if (p > level.delta) break;
    choice.chosen = i;
  }
  return choice;
}

CalibratedChoice choose_expected(std::size_t policies, const PolicyLosses& losses, double epsilon) {
  check_probability("epsilon", epsilon);
  CalibratedChoice choice;
  std::vector<float> largest;
  for (std::size_t i = 0; i < policies; ++i) {
    const std::span<const float> sample = losses(i);
    check_losses(sample);
    largest.resize(sample.size());
    for (std::size_t q = 0; q < sample.size(); ++q) largest[q] = std::max(largest[q], sample[q]);
    choice.tested.push_back({mean_of(sample), 1});
    const auto n = static_cast<double>(sample.size());
    if ((n * mean_of(largest) + 1) / (n + 1) > epsilon) break;
    choice.chosen = i;
  }
  return choice;
}

std::size_t smallest_expected_sample(double epsilon) {
  check_probability("epsilon", epsilon);
  return static_cast<std::size_t>(std::ceil(1 / epsilon - 1 - 1e-9));
}

}  // namespace nestor::index
