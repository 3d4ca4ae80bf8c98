// kNN-LM by row: append, build, distances, vectors, pointers; candidates against evidence; dispersion.
#include <algorithm>
#include <cmath>
#include <limits>

#include "index/candidate_score.h"
#include "index/dispersion.h"
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/knnlm_request.h"
#include "server/point_ids.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

using index::PointId;

constexpr std::uint64_t kMaxUint32 = std::numeric_limits<std::uint32_t>::max();

std::vector<PointId> read_row_ids(const DatastoreRequest& request) {
  return read_ids(required_field(request.body, "ids"), "ids", request.limits.points);
}

void append(const DatastoreRequest& request, Response& response) {
  const VectorList keys = [&] {
    RequestLimits rows = request.limits;
    rows.searches = rows.points;
    return read_vectors(request.body, "keys", request.target, rows);
  }();
  const auto wide = read_unsigned(request.body, "values", kMaxUint32 - 1);
  const std::vector<std::uint32_t> values(wide.begin(), wide.end());
  const std::vector<float> weights = read_floats(request.body, "weights");
  const auto documents = read_unsigned(request.body, "doc_ids", index::kNoDocument - 1);
  const std::uint64_t first = request.datastore().append({keys.values, values, weights, documents});
  response.body += "{\"first_id\":";
  append_unsigned(response.body, first);
  response.body += ",\"count\":";
  append_unsigned(response.body, keys.count);
  response.body += '}';
}

void build(const DatastoreRequest& request, Response& response) {
  const index::BuildReport report = request.target.collection->build();
  response.body += "{\"rows\":";
  append_unsigned(response.body, report.rows);
  response.body += ",\"seconds\":";
  append_double(response.body, report.seconds);
  response.body += '}';
}

void distances(const DatastoreRequest& request, Response& response) {
  const VectorList query = read_vectors(request.body, "queries", request.target, request.limits);
  const std::vector<PointId> ids = read_row_ids(request);
  if (ids.size() % query.count != 0)
    wrong_input(std::to_string(ids.size()) + " ids are not a row for each of " + std::to_string(query.count) +
                " queries");
  const index::RowReader rows = request.target.collection->rows();
  const std::size_t each = ids.size() / query.count, dim = query.values.size() / query.count;
  response.body += "{\"distances\":[";
  for (std::size_t q = 0; q < query.count; ++q) {
    response.body += q ? ",[" : "[";
    const auto found =
        rows.distances(std::span(query.values).subspan(q * dim, dim), std::span(ids).subspan(q * each, each));
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i) response.body += ',';
      if (std::isinf(found[i]))
        response.body += "null";  // no such point
      else
        append_float(response.body, request.metric() == index::Metric::l2
                                        ? found[i]
                                        : index::score_from_distance(request.metric(), found[i]));
    }
    response.body += ']';
  }
  response.body += "]}";
}

void get_vectors(const DatastoreRequest& request, Response& response) {
  const std::vector<PointId> ids = read_row_ids(request);
  const std::size_t dim = request.target.collection->options().dim;
  if (ids.size() * dim * 4 > request.limits.answer_bytes)
    wrong_input(std::to_string(ids.size()) + " vectors of " + std::to_string(dim) +
                " coordinates are too long an answer");
  const std::vector<float> vectors = request.target.collection->rows().vectors(ids);
  response.body += "{\"vectors\":[";
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i) response.body += ',';
    append_vector(response.body, std::span(vectors).subspan(i * dim, dim));
    check_answer_size(response.body.size(), request.limits.answer_bytes);
  }
  response.body += "]}";
}

void next_ids(const DatastoreRequest& request, Response& response) {
  const auto next = request.datastore().next_ids(read_row_ids(request));
  response.body += "{\"next_ids\":[";
  for (std::size_t i = 0; i < next.size(); ++i) {
    if (i) response.body += ',';
    if (next[i])
      append_id(response.body, *next[i]);
    else
      response.body += "null";
  }
  response.body += "]}";
}

// Evidence is sent as vectors, or named by the ids of stored points.
void score_candidates(const DatastoreRequest& request, Response& response) {
  const VectorList candidates = read_vectors(request.body, "candidates", request.target, request.limits);
  std::vector<float> evidence;
  if (const auto ids = field(request.body, "evidence_ids"))
    evidence = request.target.collection->rows().vectors(read_ids(*ids, "evidence_ids", request.limits.searches));
  else
    evidence = read_vectors(request.body, "evidence", request.target, request.limits).values;
  const auto support = index::parse_support(string_field(request.body, "by").value_or("max"));
  const auto scores = index::score_candidates(
      {candidates.values, evidence, request.target.collection->options().dim, request.metric(), support});
  response.body += "{\"scores\":";
  append_vector(response.body, scores);
  response.body += '}';
}

// Of every step-th stored vector, so that at most `limit` of them are read.
void dispersion(const DatastoreRequest& request, Response& response) {
  const index::Collection& collection = *request.target.collection;
  const std::uint64_t limit = integer_field(request.body, "limit", {2, 1'000'000}).value_or(100'000);
  const std::uint64_t step = std::max<std::uint64_t>(1, (collection.count() + limit - 1) / limit);
  std::vector<PointId> ids;
  std::uint64_t seen = 0;
  index::RowChoice every;
  every.reads_payload = false;
  every.accepts = [&](const index::RowHeader&, std::string_view) { return seen++ % step == 0; };
  ids = collection.select_ids(every);
  index::Dispersion sums(collection.options().widths);
  const index::RowReader rows = collection.rows();
  constexpr std::size_t kBatch = 1024;
  std::vector<PointId> batch;
  for (std::size_t first = 0; first < ids.size(); first += kBatch) {
    batch.clear();
    for (const PointId& id : std::span(ids).subspan(first, std::min(kBatch, ids.size() - first)))
      if (rows.find(id) != index::kNoSlot) batch.push_back(id);  // not erased since
    sums.add(rows.vectors(batch));
  }
  response.body += "{\"rows\":";
  append_unsigned(response.body, ids.size());
  response.body += ",\"widths\":[";
  for (std::size_t w = 0; w < sums.widths().size(); ++w) {
    response.body += w ? ",{\"width\":" : "{\"width\":";
    append_unsigned(response.body, sums.widths()[w]);
    response.body += ",\"dispersion\":";
    append_double(response.body, sums.value(w));
    response.body += ",\"zero_rows\":";
    append_unsigned(response.body, sums.zero_rows(w));
    response.body += '}';
  }
  response.body += "]}";
}

}  // namespace

void add_knnlm_row_routes(Router& router, Context& context, const std::shared_ptr<DatastoreCatalog>& datastores) {
  const auto add = [&](const std::string& path, Lane lane, auto handler) {
    router.add({"POST", "/collections/{name}/" + path, lane, true,
                [&context, datastores, handler](const Call& call, Response& response) {
                  handler(DatastoreRequest(context, *datastores, call), response);
                }});
  };
  add("knnlm/append", Lane::write, append);
  add("knnlm/build", Lane::write, build);
  add("knnlm/distances", Lane::read, distances);
  add("knnlm/get_vectors", Lane::read, get_vectors);
  add("knnlm/next_ids", Lane::read, next_ids);
  add("knnlm/score_candidates", Lane::read, score_candidates);
  add("analyze/dispersion", Lane::read, dispersion);
}

}  // namespace nestor::server
