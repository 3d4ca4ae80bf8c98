#include "index/candidate_score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "index/distance.h"
#include "index/error.h"

namespace nestor::index {
namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

void check(const CandidateEvidence& in) {
  if (in.dim == 0) refuse("vectors of at least one coordinate are needed");
  if (in.candidates.size() % in.dim != 0 || in.evidence.size() % in.dim != 0)
    refuse(std::to_string(in.candidates.size()) + " and " + std::to_string(in.evidence.size()) +
           " values are not vectors of " + std::to_string(in.dim) + " coordinates");
  if (in.evidence.empty()) refuse("there is no evidence to score by");
  for (const auto values : {in.candidates, in.evidence})
    for (const float x : values)
      if (!std::isfinite(x)) refuse("a vector holds a number that is not finite");
}

// Unit vectors for cosine, the values themselves otherwise.
std::vector<float> prepared(std::span<const float> values, const CandidateEvidence& in) {
  std::vector<float> out(values.begin(), values.end());
  if (in.metric != Metric::cosine) return out;
  for (std::size_t first = 0; first < out.size(); first += in.dim) {
    double norm = 0;
    for (std::size_t j = 0; j < in.dim; ++j) norm += double{out[first + j]} * out[first + j];
    if (!(norm > 0)) refuse("a zero vector has no direction: cosine cannot compare it");
    const double inverse = 1 / std::sqrt(norm);
    for (std::size_t j = 0; j < in.dim; ++j) out[first + j] = static_cast<float>(out[first + j] * inverse);
  }
  return out;
}

}  // namespace

Support parse_support(std::string_view text) {
  if (text == "max") return Support::best;
  if (text == "mean") return Support::mean;
  refuse("unknown support \"" + std::string(text) + "\", expected one of: max, mean");
}

std::vector<float> score_candidates(const CandidateEvidence& in) {
  check(in);
  const std::vector<float> candidates = prepared(in.candidates, in), evidence = prepared(in.evidence, in);
  std::vector<float> scores;
  for (std::size_t c = 0; c < candidates.size(); c += in.dim) {
    const ExactDistance distance(in.metric, candidates.data() + c, in.dim, in.dim);
    double sum = 0;
    float best = -std::numeric_limits<float>::infinity();
    for (std::size_t e = 0; e < evidence.size(); e += in.dim) {
      const float d = distance(evidence.data() + e);
      const float similarity = in.metric == Metric::l2 ? -d : score_from_distance(in.metric, d);
      best = std::max(best, similarity);
      sum += similarity;
    }
    const double count = static_cast<double>(evidence.size() / in.dim);
    scores.push_back(in.support == Support::best ? best : static_cast<float>(sum / count));
  }
  return scores;
}

}  // namespace nestor::index
