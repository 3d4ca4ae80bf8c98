// Calibration as a background job, and the certificates it leaves.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "server/calibration_jobs.h"
#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/search_params.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

constexpr std::uint64_t kMostSampled = 1'000'000;

// Members of one JSON object.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  ~ObjectWriter() { out_ += '}'; }
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  std::string& name(std::string_view name) {
    out_ += first_ ? "\"" : ",\"";
    first_ = false;
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void number(std::string_view key, std::uint64_t value) { append_unsigned(name(key), value); }
  void real(std::string_view key, double value) { append_double(name(key), value); }
  void text(std::string_view key, std::string_view value) { append_string(name(key), value); }
  void flag(std::string_view key, bool value) { name(key) += value ? "true" : "false"; }

 private:
  std::string& out_;
  bool first_ = true;
};

void append_policy(std::string& out, const index::SearchPolicy& policy) {
  ObjectWriter object(out);
  object.number("explore", policy.explore);
  object.real("gap", static_cast<double>(policy.gap));
  object.number("keep", policy.keep);
  object.number("rerank", policy.rerank);
  if (policy.deferral) object.real("second_gap", static_cast<double>(policy.deferral->gap));
}

void append_certificate(std::string& out, const index::Certificate& c, const index::ServedState& now,
                        const MonitorState* watched = nullptr) {
  ObjectWriter object(out);
  const std::string stale = c.withdrawn.empty() ? index::why_stale(c, now) : c.withdrawn;
  object.number("id", c.id);
  object.flag("in_force", stale.empty());
  if (!stale.empty()) object.text("stale", stale);
  object.number("created", static_cast<std::uint64_t>(c.created));
  object.number("generation", c.state.generation);
  object.text("checksum", std::to_string(c.state.fingerprint));
  object.number("points", c.state.points);
  std::string& widths = object.name("widths");
  for (std::size_t i = 0; i < c.widths.size(); ++i) {
    widths += i == 0 ? '[' : ',';
    append_unsigned(widths, c.widths[i]);
  }
  widths += ']';
  object.number("k", c.k);
  object.text("metric", to_string(c.metric));
  object.text("filter", c.filter);
  object.text("encoder", c.encoder);
  object.text("source", to_string(c.source));
  object.text("loss", to_string(c.loss));
  object.real("loss_parameter", c.loss_parameter);
  object.real("epsilon", c.level.epsilon);
  object.real("delta", c.level.delta);
  object.text("promise", to_string(c.promise));
  object.text("test", to_string(c.test));
  object.number("queries", c.queries);
  object.number("seed", c.seed);
  append_policy(object.name("policy"), c.policy());
  if (watched != nullptr) {
    ObjectWriter monitor(object.name("monitor"));
    monitor.number("checked", watched->checked);
    monitor.real("mean_loss", watched->mean_loss);
    monitor.real("wealth", watched->wealth);
    monitor.flag("alarm", watched->alarmed);
  }
  object.number("chosen", c.chosen);
  std::string& path = object.name("path");
  path += '[';
  for (std::size_t i = 0; i < c.path.size(); ++i) {
    if (i != 0) path += ',';
    ObjectWriter point(path);
    append_policy(point.name("policy"), c.path[i].policy);
    if (c.path[i].tested) {
      point.real("risk", c.path[i].risk);
      point.real("p_value", c.path[i].p_value);
    }
    point.real("evaluations", c.path[i].evaluations);
    point.real("coordinates", c.path[i].coordinates);
    point.real("microseconds_p95", c.path[i].microseconds);
  }
  path += ']';
}

void append_figures(std::string& out, const index::PolicyFigures& figures) {
  ObjectWriter object(out);
  object.real("loss", figures.loss);
  object.real("evaluations", figures.evaluations);
  object.real("coordinates", figures.coordinates);
  object.real("microseconds_p95", figures.microseconds);
}

void append_report(std::string& out, const index::CalibrationReport& report, const index::ServedState& now) {
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
  std::string& warnings = object.name("warnings");
  warnings += '[';
  for (std::size_t i = 0; i < report.warnings.size(); ++i) {
    if (i != 0) warnings += ',';
    append_string(warnings, report.warnings[i]);
  }
  warnings += ']';
}

void append_job(std::string& out, const CalibrationJob& job, const index::ServedState& now) {
  ObjectWriter object(out);
  object.number("id", job.id);
  object.text("status", to_string(job.status));
  object.text("phase", job.progress.phase);
  object.number("done", job.progress.done);
  object.number("total", job.progress.total);
  if (!job.error.empty()) object.text("error", job.error);
  if (job.report) append_report(object.name("report"), *job.report, now);
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

void read_queries(const JsonValue& body, const OpenCollection& target, CalibrationInput& input) {
  const auto queries = field(body, "queries");
  if (!queries) return;
  expect_array(*queries, "queries");
  const std::size_t dim = target->options().dim;
  const auto items = queries->items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = "queries[" + std::to_string(i) + "]";
    const JsonValue vector = dense_vector(items[i], *target.schema, where);
    const std::size_t length = vector_length(vector, where, dim);
    if (length != dim) dimension_error(dim, length);
    append_coordinates(vector, where, input.queries, dim);
  }
  input.request.count = items.size();
}

void start(Context& context, const Call& call, Response& response) {
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
  read_queries(body, target, input);
  if (const auto filter = read_filter_field(body, target, context.limits)) {
    input.allowed_slots = select_slots(target, *filter);
    input.request.filter_name = required_field(body, "filter").text();
  }
  const std::size_t needed = index::queries_needed(input.request);
  const std::size_t count = input.queries.empty() ? input.request.rows : input.request.count;
  if (count < needed)
    wrong_input(std::to_string(count) + " queries are too few to calibrate, at least " + std::to_string(needed) +
                " are needed");
  response.body += "{\"id\":";
  append_unsigned(response.body, context.calibrations.start(std::move(input)));
  response.body += '}';
}

std::uint64_t job_number(const Call& call) {
  const std::string& text = call.parameters[1];
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) id = 0;
  return id;
}

CalibrationJob job_of(Context& context, const Call& call) {
  auto job = context.calibrations.find(job_number(call));
  if (!job || job->collection_name != call.parameters[0])
    throw HttpError(404, "Not found: Collection `" + call.parameters[0] + "` has no calibration " + call.parameters[1]);
  return *std::move(job);
}

void show(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  append_job(response.body, job_of(context, call), target->served_state());
}

void show_all(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  response.body += "{\"calibrations\":[";
  bool first = true;
  for (const CalibrationJob& job : context.calibrations.all(call.parameters[0])) {
    if (!first) response.body += ',';
    first = false;
    append_job(response.body, job, target->served_state());
  }
  response.body += "]}";
}

void cancel(Context& context, const Call& call, Response& response) {
  context.catalog.open(call.parameters[0]);
  response.body += context.calibrations.cancel(job_of(context, call).id) ? "true" : "false";
}

void certificates(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const index::ServedState now = target->served_state();
  response.body += "{\"certificates\":[";
  bool first = true;
  const auto watched = context.monitor.states(target.collection);
  for (const index::Certificate& c : target->certificates()) {
    if (!first) response.body += ',';
    first = false;
    const auto found =
        std::find_if(watched.begin(), watched.end(), [&](const auto& w) { return w.certificate == c.id; });
    append_certificate(response.body, c, now, found == watched.end() ? nullptr : &*found);
  }
  response.body += "]}";
}

void drop(Context& context, const Call& call, Response& response) {
  append_unsigned(response.body, context.catalog.open(call.parameters[0])->drop_certificates());
}

}  // namespace

void add_certificate_routes(Router& router, Context& context) {
  const std::string one = "/collections/{name}";
  const auto add = [&](const std::string& method, const std::string& path, Lane lane,
                       void (*handler)(Context&, const Call&, Response&)) {
    router.add({method, one + path, lane, true,
                [&context, handler](const Call& call, Response& response) { handler(context, call, response); },
                method == "GET" ? Access::read : Access::write});
  };
  add("POST", "/calibrations", Lane::read, start);
  add("GET", "/calibrations", Lane::read, show_all);
  add("GET", "/calibrations/{id}", Lane::read, show);
  add("DELETE", "/calibrations/{id}", Lane::read, cancel);
  add("GET", "/certificates", Lane::read, certificates);
  add("DELETE", "/certificates", Lane::write, drop);
}

}  // namespace nestor::server
