// Calibration as a background job; what it leaves: certificates.cpp.
#include <cmath>

#include "server/certificate_writer.h"
#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/background.h"
#include "server/handlers/handlers.h"
#include "server/index_jobs.h"
#include "server/object_writer.h"

namespace nestor::server {
namespace {

void append_report(std::string& out, const JobReport& done, const index::ServedState& now) {
  const auto& report = std::get<index::CalibrationReport>(done);
  ObjectWriter object(out);
  std::string& outcomes = object.name("outcomes");
  outcomes += '[';
  for (std::size_t i = 0; i < report.outcomes.size(); ++i) {
    if (i != 0) outcomes += ',';
    const auto& o = report.outcomes[i];
    ObjectWriter one(outcomes);
    one.real("epsilon", o.epsilon);
    one.flag("certified", o.certificate && o.certificate->promise == index::Promise::certified);
    one.real("risk", o.risk);
    if (o.certificate) append_certificate(one.name("certificate"), *o.certificate, now);
    append_figures(one.name("held_out"), o.on_c);
    append_figures(one.name("fixed_held_out"), o.fixed_on_c);
  }
  outcomes += ']';
  append_figures(object.name("full_ladder_held_out"), report.full_ladder);
  append_figures(object.name("default_held_out"), report.default_policy);
  object.number("queries", report.queries);
  object.real("seconds", report.seconds);
  object.flag("second_look", report.deferral.shipped);
  append_texts(object.name("warnings"), report.warnings);
}

std::vector<double> read_recalls(const JsonValue& body) {
  const auto value = field(body, "recall");
  if (!value) return {0.95};
  if (!value->is_array()) return {*number_field(body, "recall")};
  std::vector<double> recalls;
  for (const JsonValue& one : value->items()) {
    const auto number = one.as_double();
    if (!number) wrong_type(one, "recall", "a number");
    recalls.push_back(*number);
  }
  return recalls;
}

void read_goal(const JsonValue& body, index::CalibrationRequest& request) {
  if (const auto tail = number_field(body, "tail")) {
    request.loss = index::LossKind::tail_recall;
    request.loss_parameter = *tail;
    request.epsilons = {number_field(body, "share").value_or(0.05)};
  } else if (const auto variation = number_field(body, "total_variation")) {
    request.loss = index::LossKind::total_variation;
    request.loss_parameter = number_field(body, "temperature").value_or(1);
    request.epsilons = {*variation};
  } else {
    for (const double recall : read_recalls(body)) request.epsilons.push_back(std::round((1 - recall) * 1e9) / 1e9);
  }
  for (const double epsilon : request.epsilons)
    if (!(epsilon > 0 && epsilon < 1)) validation_error("recall", "the wanted quality must lie between 0 and 1");
}

index::CalibrationRequest read_calibration(const JsonValue& body) {
  index::CalibrationRequest request;
  read_goal(body, request);
  request.k = static_cast<std::uint32_t>(integer_field(body, "k", {1, index::kMaxNeighbours}).value_or(10));
  request.delta = 1 - number_field(body, "confidence").value_or(0.95);
  if (!(request.delta > 0 && request.delta < 1)) validation_error("confidence", "must lie between 0 and 1");
  request.test = index::parse_risk_test(string_field(body, "test").value_or("betting"));
  request.promise = index::parse_promise(string_field(body, "promise").value_or("certified"));
  request.seed = integer_field(body, "seed").value_or(42);
  request.rows = integer_field(body, "sample", {1, kMostSampled}).value_or(2000);
  request.encoder = string_field(body, "encoder").value_or("");
  request.learn = bool_field(body, "second_look").value_or(true);
  return request;
}

JobInput read_job(Context& context, const Call& call) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  allow_fields(body, "body",
               {"queries", "sample", "recall", "tail", "share", "total_variation", "temperature", "confidence", "k",
                "test", "promise", "seed", "encoder", "filter", "second_look"});
  CalibrationInput input;
  input.collection = target.collection;
  input.collection_name = call.parameters[0];
  input.request = read_calibration(body);
  input.request.count = read_job_queries(body, target, input.queries);
  if (const auto filter = read_filter_field(body, target, context.limits)) {
    input.allowed_slots = select_slots(target, *filter);
    input.request.filter_name = required_field(body, "filter").text();
  }
  const std::size_t needed = index::queries_needed(input.request);
  const std::size_t count = input.queries.empty() ? input.request.rows : input.request.count;
  if (count < needed)
    wrong_input(std::to_string(count) + " queries are too few to calibrate, at least " + std::to_string(needed) +
                " are needed");
  return calibration_job(std::move(input));
}

}  // namespace

void add_calibration_routes(Router& router, Context& context) {
  add_job_routes(router, context, {JobKind::calibration, read_job, append_report});
}

}  // namespace nestor::server
