// Tuning as a background job, and the depth it leaves with the collection.
#include "server/certificate_writer.h"
#include "server/fields.h"
#include "server/handlers/background.h"
#include "server/handlers/handlers.h"
#include "server/index_jobs.h"
#include "server/object_writer.h"

namespace nestor::server {
namespace {

// Recall is told where calibrations tell a loss: what is chosen is a recall, nothing else.
void append_measured(std::string& out, const index::PolicyFigures& figures, double cost) {
  ObjectWriter object(out);
  object.real("recall", 1 - figures.loss);
  object.real("evaluations", figures.evaluations);
  object.real("coordinates", figures.coordinates);
  object.real("cost", cost);
  object.real("microseconds_p95", figures.microseconds);
}

void append_tuned(std::string& out, const index::TunedPolicy& tuned) {
  ObjectWriter object(out);
  append_policy(object.name("policy"), tuned.policy);
  object.number("k", tuned.k);
  object.real("recall", tuned.recall);
  object.number("queries", tuned.queries);
}

void append_report(std::string& out, const JobReport& done, const index::ServedState&) {
  const auto& report = std::get<index::TuningReport>(done);
  ObjectWriter object(out);
  append_tuned(object.name("chosen"), report.chosen);
  object.flag("reached", report.reached);
  append_measured(object.name("held_out"), report.on_c, report.cost_on_c);
  append_measured(object.name("before_held_out"), report.default_on_c, report.default_cost_on_c);
  object.number("tried", report.tried);
  object.number("graph_width", report.graph_width);
  object.number("proposed_width", report.proposed_width);
  object.text("walk_codes", to_string(report.walk_codes));
  std::string& ceilings = object.name("ceilings");
  ceilings += '[';
  for (std::size_t i = 0; i < report.ceilings.size(); ++i) {
    if (i != 0) ceilings += ',';
    ObjectWriter one(ceilings);
    one.number("width", report.ceilings[i].width);
    one.real("recall", report.ceilings[i].recall);
  }
  ceilings += ']';
  append_texts(object.name("reasons"), report.reasons);
}

JobInput read_job(Context& context, const Call& call) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  allow_fields(body, "body", {"queries", "sample", "recall", "max_latency_ms", "k", "seed", "store", "best_effort"});
  TuningInput input;
  input.collection = target.collection;
  input.collection_name = call.parameters[0];
  input.request.count = read_job_queries(body, target, input.queries);
  input.request.rows = integer_field(body, "sample", {1, kMostSampled}).value_or(1000);
  input.request.k = static_cast<std::uint32_t>(integer_field(body, "k", {1, index::kMaxNeighbours}).value_or(10));
  input.request.seed = integer_field(body, "seed").value_or(42);
  input.store = bool_field(body, "store").value_or(true);
  input.best_effort = bool_field(body, "best_effort").value_or(false);
  const auto recall = number_field(body, "recall"), latency = number_field(body, "max_latency_ms");
  if (recall && latency) wrong_input("`recall` and `max_latency_ms` exclude each other");
  input.request.wanted_recall = recall.value_or(0.99);
  if (!(input.request.wanted_recall > 0 && input.request.wanted_recall < 1))
    validation_error("recall", "must lie between 0 and 1");
  if (latency && !(*latency > 0)) validation_error("max_latency_ms", "must be more than 0");
  input.request.max_latency_ms = latency;
  const std::size_t count = input.queries.empty() ? input.request.rows : input.request.count;
  if (count < index::kFewestTuningQueries)
    wrong_input(std::to_string(count) + " queries are too few to tune with, at least " +
                std::to_string(index::kFewestTuningQueries) + " are needed");
  return tuning_job(std::move(input));
}

void show(Context& context, const Call& call, Response& response) {
  const auto tuned = context.catalog.open(call.parameters[0])->tuned_policy();
  response.body += "{\"tuned\":";
  if (tuned)
    append_tuned(response.body, *tuned);
  else
    response.body += "null";
  response.body += '}';
}

void reset(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const bool was_tuned = target->tuned_policy().has_value();
  target->use_tuned_policy(std::nullopt);
  response.body += was_tuned ? "true" : "false";
}

}  // namespace

void add_tuning_routes(Router& router, Context& context) {
  add_job_routes(router, context, {JobKind::tuning, read_job, append_report});
  const std::string path = "/collections/{name}/tuning";
  router.add({"GET", path, Lane::read, true,
              [&context](const Call& call, Response& response) { show(context, call, response); }, Access::read});
  router.add({"DELETE", path, Lane::write, true,
              [&context](const Call& call, Response& response) { reset(context, call, response); }, Access::write});
}

}  // namespace nestor::server
