#include "client/cli/certificate_text.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/cli/text.h"

namespace nestor::client {

using index::Certificate;
using index::LossKind;

namespace {

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

nlohmann::json to_json(const index::SearchPolicy& policy) {
  nlohmann::json json = {
      {"explore", policy.explore}, {"gap", policy.gap}, {"keep", policy.keep}, {"rerank", policy.rerank}};
  if (policy.deferral)
    json["deferral"] = {{"gap", policy.deferral->gap},
                        {"threshold", policy.deferral->threshold},
                        {"bias", policy.deferral->bias},
                        {"weights", policy.deferral->weights}};
  return json;
}

}  // namespace

std::string promise_text(const Certificate& c) {
  switch (c.loss) {
    case LossKind::recall: return "recall >= " + short_number(1 - c.level.epsilon);
    case LossKind::tail_recall:
      return "recall >= " + short_number(c.loss_parameter) + " for " + short_number(100 * (1 - c.level.epsilon)) +
             " % of queries";
    case LossKind::total_variation:
      return "total variation <= " + short_number(c.level.epsilon) + " at T = " + short_number(c.loss_parameter);
  }
  return "";
}

std::string certification_text(const index::Certification& c) {
  std::string text = c.certified ? "certified" : "not certified";
  if (c.certificate != 0)
    text += ", certificate " + std::to_string(c.certificate) + " (recall " + short_number(c.recall) + ")";
  if (!c.exit_stage.empty()) text += ", ended by: " + c.exit_stage;
  if (!c.note.empty()) text += "; " + c.note;
  return text;
}

nlohmann::json to_json(const index::Certification& c) {
  nlohmann::json json = {{"certified", c.certified}, {"exit_stage", c.exit_stage}};
  if (c.certificate != 0) json["certificate"] = c.certificate;
  if (c.recall != 0) json["recall"] = c.recall;
  if (!c.note.empty()) json["note"] = c.note;
  return json;
}

nlohmann::json to_json(const Certificate& c) {
  nlohmann::json path = nlohmann::json::array();
  for (const index::CertifiedPoint& point : c.path) {
    nlohmann::json one = {{"policy", to_json(point.policy)},
                          {"evaluations", point.evaluations},
                          {"coordinates", point.coordinates},
                          {"microseconds_p95", point.microseconds}};
    if (point.tested) {
      one["risk"] = point.risk;
      one["p_value"] = point.p_value;
    }
    path.push_back(std::move(one));
  }
  return {{"id", c.id},
          {"created", c.created},
          {"generation", c.state.generation},
          {"fingerprint", c.state.fingerprint},
          {"points", c.state.points},
          {"widths", c.widths},
          {"k", c.k},
          {"metric", to_string(c.metric)},
          {"filter", c.filter},
          {"encoder", c.encoder},
          {"source", to_string(c.source)},
          {"loss", to_string(c.loss)},
          {"loss_parameter", c.loss_parameter},
          {"epsilon", c.level.epsilon},
          {"delta", c.level.delta},
          {"promise", to_string(c.promise)},
          {"test", to_string(c.test)},
          {"queries", c.queries},
          {"seed", c.seed},
          {"chosen", c.chosen},
          {"withdrawn", c.withdrawn},
          {"path", std::move(path)}};
}

}  // namespace nestor::client
