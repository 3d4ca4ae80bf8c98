#include "server/handlers/background.h"

#include <charconv>

#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/object_writer.h"
#include "server/search_params.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

void append_job(std::string& out, const Job& job, const JobRoutes& routes, const index::ServedState& now) {
  ObjectWriter object(out);
  object.number("id", job.id);
  object.text("status", to_string(job.status));
  object.text("phase", job.progress.phase);
  object.number("done", job.progress.done);
  object.number("total", job.progress.total);
  if (!job.error.empty()) object.text("error", job.error);
  if (job.report.index() != 0) routes.append_report(object.name("report"), job.report, now);
}

void start(Context& context, const Call& call, const JobRoutes& routes, Response& response) {
  response.body += "{\"id\":";
  append_unsigned(response.body, context.jobs.start(routes.read(context, call)));
  response.body += '}';
}

Job job_of(Context& context, const Call& call, JobKind kind) {
  const std::string& text = call.parameters[1];
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) id = 0;
  auto job = context.jobs.find(id);
  if (!job || job->kind != kind || job->collection_name != call.parameters[0])
    throw HttpError(
        404, "Not found: Collection `" + call.parameters[0] + "` has no " + std::string(to_string(kind)) + " " + text);
  return *std::move(job);
}

void show_all(Context& context, const Call& call, const JobRoutes& routes, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  response.body += "{\"" + std::string(to_string(routes.kind)) + "s\":[";
  bool first = true;
  for (const Job& job : context.jobs.all(routes.kind, call.parameters[0])) {
    if (!first) response.body += ',';
    first = false;
    append_job(response.body, job, routes, target->served_state());
  }
  response.body += "]}";
}

}  // namespace

std::size_t read_job_queries(const JsonValue& body, const OpenCollection& target, std::vector<float>& out) {
  const auto queries = field(body, "queries");
  if (!queries) return 0;
  expect_array(*queries, "queries");
  const std::size_t dim = target->options().dim;
  const auto items = queries->items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = "queries[" + std::to_string(i) + "]";
    const JsonValue vector = dense_vector(items[i], *target.schema, where);
    const std::size_t length = vector_length(vector, where, {dim});
    if (length != dim) dimension_error(dim, length);
    append_coordinates(vector, where, out, {dim});
  }
  return items.size();
}

void add_job_routes(Router& router, Context& context, const JobRoutes& routes) {
  const std::string all = "/collections/{name}/" + std::string(to_string(routes.kind)) + "s", one = all + "/{id}";
  router.add({"POST", all, Lane::read, true,
              [&context, routes](const Call& call, Response& response) { start(context, call, routes, response); },
              Access::write});
  router.add({"GET", all, Lane::read, true,
              [&context, routes](const Call& call, Response& response) { show_all(context, call, routes, response); },
              Access::read});
  router.add({"GET", one, Lane::read, true,
              [&context, routes](const Call& call, Response& response) {
                const OpenCollection target = context.catalog.open(call.parameters[0]);
                append_job(response.body, job_of(context, call, routes.kind), routes, target->served_state());
              },
              Access::read});
  router.add({"DELETE", one, Lane::read, true,
              [&context, routes](const Call& call, Response& response) {
                context.catalog.open(call.parameters[0]);
                response.body += context.jobs.cancel(job_of(context, call, routes.kind).id) ? "true" : "false";
              },
              Access::write});
}

}  // namespace nestor::server
