// Do learnt weights of the bands rank neighbours better than their distance does? s_i = -sum_b alpha_b |q_b - x_b|^2
// over the exact 100 nearest of a kNN-LM data set; relevant is a neighbour whose token really came next. Learnt on the
// first fifth of the queries, reported on the others with paired standard errors.

#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bench/arguments.h"
#include "bench/data_set.h"
#include "bench/table.h"
#include "index/ranking_losses.h"
#include "index/ranking_metrics.h"

namespace {

using namespace nestor;
using namespace nestor::bench;

constexpr double kStep = 0.02;
constexpr std::size_t kEpochs = 20, kBatch = 32;
constexpr double kTemperature = 5;  // where learning starts
using Parameters = std::vector<double>;

struct List {
  std::vector<double> parts;   // [neighbours x bands]
  std::vector<double> labels;  // 1: its token came next
  double lm = 0;               // probability of that token by the language model
  bool relevant = false;       // any of them
};

struct Lists {
  std::size_t bands = 0;
  std::vector<List> learn, report;
};

Lists load(const DataSetFiles& files, std::size_t limit) {
  const Matrix keys = load_matrix(files.keys), queries = load_matrix(files.queries, 1, limit);
  const auto values = load_integers(files.values), targets = load_integers(files.targets);
  const auto logprob = load_floats(files.lm_logprob);
  const GroundTruth truth = load_ground_truth(files, 1, queries.rows);
  Lists out;
  out.bands = files.widths.size();
  for (std::size_t q = 0; q < truth.queries; ++q) {
    List list;
    list.lm = std::exp(static_cast<double>(logprob[q]));
    for (const std::int64_t id : truth.ids_of(q)) {
      const auto x = keys.row(static_cast<std::size_t>(id)), y = queries.row(q);
      std::size_t j = 0;
      for (const std::uint32_t width : files.widths) {
        double sum = 0;
        for (; j < width; ++j) sum += std::pow(static_cast<double>(x[j]) - static_cast<double>(y[j]), 2);
        list.parts.push_back(sum);
      }
      list.labels.push_back(values[static_cast<std::size_t>(id)] == targets[q]);
      list.relevant |= list.labels.back() > 0;
    }
    (q < truth.queries / 5 ? out.learn : out.report).push_back(std::move(list));
  }
  return out;
}

double softplus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// theta: one number per band, or one for all.
double alpha(const Parameters& theta, std::size_t bands, std::size_t band) {
  return softplus(theta.size() < bands ? theta[0] : theta[band]);
}

std::vector<double> scores(const List& list, const Parameters& theta, std::size_t bands) {
  std::vector<double> s(list.labels.size(), 0);
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t b = 0; b < bands; ++b) s[i] -= alpha(theta, bands, b) * list.parts[i * bands + b];
  return s;
}

// Adds the gradient by theta, given the one by the scores.
void add_gradient(const List& list, const std::vector<double>& by_score, const Parameters& theta, std::size_t bands,
                  Parameters& gradient) {
  for (std::size_t b = 0; b < bands; ++b) {
    const std::size_t p = theta.size() < bands ? 0 : b;
    double sum = 0;
    for (std::size_t i = 0; i < by_score.size(); ++i) sum -= by_score[i] * list.parts[i * bands + b];
    gradient[p] += sum * sigmoid(theta[p]);
  }
}

// Adam over shuffled batches. step: adds one list's gradient.
Parameters learn(const std::vector<List>& lists, Parameters theta,
                 const std::function<void(const List&, const Parameters&, Parameters&)>& step) {
  Parameters first(theta.size(), 0), second(theta.size(), 0);
  std::vector<std::size_t> order(lists.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 rng(42);
  double t = 0;
  for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), rng);
    for (std::size_t begin = 0; begin < order.size(); begin += kBatch) {
      const std::size_t end = std::min(order.size(), begin + kBatch);
      Parameters gradient(theta.size(), 0);
      for (std::size_t i = begin; i < end; ++i) step(lists[order[i]], theta, gradient);
      ++t;
      for (std::size_t p = 0; p < theta.size(); ++p) {
        const double g = gradient[p] / static_cast<double>(end - begin);
        first[p] = 0.9 * first[p] + 0.1 * g;
        second[p] = 0.999 * second[p] + 0.001 * g * g;
        theta[p] -=
            kStep * (first[p] / (1 - std::pow(0.9, t))) / (std::sqrt(second[p] / (1 - std::pow(0.999, t))) + 1e-9);
      }
    }
  }
  return theta;
}

Parameters even(std::size_t count) { return Parameters(count, std::log(std::expm1(1 / kTemperature))); }

// ---- A: the order of the neighbours ----

Parameters learn_order(const Lists& lists, const index::LossFunction& loss) {
  return learn(lists.learn, even(lists.bands), [&](const List& list, const Parameters& theta, Parameters& gradient) {
    if (!list.relevant) return;
    add_gradient(list, loss(scores(list, theta, lists.bands), list.labels).gradient, theta, lists.bands, gradient);
  });
}

std::vector<double> metric(const Lists& lists, const Parameters& theta, index::RankingMetric metric) {
  std::vector<double> out;
  for (const List& list : lists.report) {
    const auto s = scores(list, theta, lists.bands);
    out.push_back(index::ranking_metric(metric, {s, list.labels}, {10, {}}));
  }
  return out;
}

// ---- B: the distribution of the next token ----

// theta: bands (or one), then the logit of lambda.
double mixture(const List& list, const Parameters& theta, std::size_t bands, double* knn,
               std::vector<double>* softmax) {
  const Parameters weights(theta.begin(), theta.end() - 1);
  std::vector<double> p = scores(list, weights, bands);
  const double top = *std::max_element(p.begin(), p.end());
  double sum = 0, right = 0;
  for (double& s : p) sum += s = std::exp(s - top);
  for (std::size_t i = 0; i < p.size(); ++i) right += list.labels[i] * (p[i] /= sum);
  if (knn != nullptr) *knn = right;
  if (softmax != nullptr) *softmax = std::move(p);
  const double lambda = sigmoid(theta.back());
  return lambda * right + (1 - lambda) * list.lm;
}

Parameters learn_distribution(const Lists& lists, std::size_t weights) {
  Parameters start = even(weights);
  start.push_back(std::log(0.35 / 0.65));
  return learn(lists.learn, start, [&](const List& list, const Parameters& theta, Parameters& gradient) {
    double knn = 0;
    std::vector<double> p;
    const double mixed = mixture(list, theta, lists.bands, &knn, &p), lambda = sigmoid(theta.back());
    for (std::size_t i = 0; i < p.size(); ++i) p[i] *= -lambda * (list.labels[i] - knn) / mixed;
    Parameters by_weight(weights, 0);
    add_gradient(list, p, Parameters(theta.begin(), theta.end() - 1), lists.bands, by_weight);
    for (std::size_t w = 0; w < weights; ++w) gradient[w] += by_weight[w];
    gradient.back() += -(knn - list.lm) * lambda * (1 - lambda) / mixed;
  });
}

std::vector<double> losses(const Lists& lists, const Parameters& theta) {
  std::vector<double> out;
  for (const List& list : lists.report) out.push_back(-std::log(mixture(list, theta, lists.bands, nullptr, nullptr)));
  return out;
}

// ---- the report ----

double mean(const std::vector<double>& x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

// Mean difference and its paired standard error.
std::string against(const std::vector<double>& ours, const std::vector<double>& baseline) {
  std::vector<double> d;
  for (std::size_t i = 0; i < ours.size(); ++i) d.push_back(ours[i] - baseline[i]);
  const double m = mean(d);
  double squares = 0;
  for (const double x : d) squares += (x - m) * (x - m);
  const auto n = static_cast<double>(d.size());
  const double error = std::sqrt(squares / (n - 1) / n);
  return fixed(m, 5) + " +- " + fixed(error, 5) + " (" + fixed(error > 0 ? m / error : 0, 1) + ")";
}

std::string weights_text(const Parameters& theta, std::size_t bands) {
  std::string out;
  for (std::size_t b = 0; b < std::min(bands, theta.size()); ++b)
    out += (b ? ", " : "") + fixed(alpha(theta, bands, b), 3);
  return out;
}

void run(const DataSetFiles& files, const Arguments& arguments) {
  const Lists lists = load(files, arguments.queries);
  std::printf("%s: %zu queries learn, %zu report; weights of the bands up to", files.name.c_str(), lists.learn.size(),
              lists.report.size());
  for (const std::uint32_t width : files.widths) std::printf(" %u", width);
  std::printf("\n\n");
  const index::LossFunction softmax = index::softmax_loss;
  const index::LossFunction approx = [](auto s, auto y) { return index::approx_ndcg_loss(s, y, 0.1); };
  const index::LossFunction gumbel = [&](auto s, auto y) { return index::gumbel_loss(approx, s, y, {.beta = 0.1}); };
  Table order(
      {"order of the neighbours", "ndcg@10", "against distance (se)", "mrr@10", "against distance (se)", "weights"});
  const Parameters distance = even(lists.bands);
  const auto ndcg = metric(lists, distance, index::RankingMetric::ndcg),
             mrr = metric(lists, distance, index::RankingMetric::mrr);
  order.add({"distance", fixed(mean(ndcg), 4), "", fixed(mean(mrr), 4), "", ""});
  for (const auto& [name, loss] :
       {std::pair{"softmax", softmax}, {"approx ndcg", approx}, {"approx ndcg, Gumbel", gumbel}}) {
    const Parameters theta = learn_order(lists, loss);
    const auto a = metric(lists, theta, index::RankingMetric::ndcg),
               b = metric(lists, theta, index::RankingMetric::mrr);
    order.add({name, fixed(mean(a), 4), against(a, ndcg), fixed(mean(b), 4), against(b, mrr),
               weights_text(theta, lists.bands)});
  }
  order.print(std::cout);
  std::cout << '\n';

  Table tokens({"next token, k = 100", "perplexity", "loss against one weight (se)", "lambda", "weights"});
  const Parameters one = learn_distribution(lists, 1), all = learn_distribution(lists, lists.bands);
  const auto by_one = losses(lists, one), by_all = losses(lists, all);
  const auto row = [&](const char* name, const Parameters& theta, const std::vector<double>& loss,
                       std::string difference) {
    tokens.add({name, fixed(std::exp(mean(loss)), 3), std::move(difference), fixed(sigmoid(theta.back()), 3),
                weights_text(Parameters(theta.begin(), theta.end() - 1), lists.bands)});
  };
  row("one weight (1 / T)", one, by_one, "");
  row("a weight per band", all, by_all, against(by_all, by_one));
  tokens.print(std::cout);
  std::cout << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse_arguments(
        argc, argv, "reranker: learnt weights of the bands against plain distance, on held-out queries");
    for (const DataSetFiles& files : find_data_sets(arguments))
      if (!files.targets.empty()) run(files, arguments);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "reranker: " << error.what() << '\n';
    return 1;
  }
}
