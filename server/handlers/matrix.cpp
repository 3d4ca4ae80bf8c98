// How near points of a sample are to each other: their nearest neighbours within the sample.
#include <algorithm>
#include <unordered_map>

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/sampling.h"
#include "server/search_params.h"

namespace nestor::server {
namespace {

constexpr std::uint64_t kMostSampled = 4096;

struct Matrix {
  std::vector<index::PointId> ids;             // ascending
  std::vector<std::vector<index::Hit>> rows;   // of each id
};

index::SelectedSlots slots_of(const OpenCollection& target, const std::vector<index::RowHeader>& sample) {
  std::vector<index::PointId> ids;
  for (const index::RowHeader& row : sample) ids.push_back(row.id);
  return target->select_slots(choice_of(std::move(ids)));
}

Matrix measure(Context& context, const Call& call) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  const std::size_t wanted = integer_field(body, "sample", {2, kMostSampled}).value_or(10);
  const auto limit = static_cast<std::uint32_t>(integer_field(body, "limit", {1, kMostSampled - 1}).value_or(3));
  check_vector_name(string_field(body, "using").value_or(""), *target.schema);
  const auto filter = read_filter_field(body, target, context.limits);
  index::SelectedSlots slots;
  if (filter) slots = select_slots(target, *filter);
  auto sample = sample_rows(target, filter ? &slots : nullptr, wanted);
  std::sort(sample.begin(), sample.end(), [](const auto& a, const auto& b) { return a.id < b.id; });

  Matrix matrix;
  if (sample.size() < 2) return matrix;  // nothing to be near to
  const index::SelectedSlots among = slots_of(target, sample);
  index::SearchOptions options;
  options.k = limit + 1;
  options.exact = true;
  options.allowed_slots = among;
  options.allowed_numbering = among.numbering;
  for (const index::RowHeader& row : sample) {
    const auto record = target->get(row.id, true, false);
    if (!record) continue;  // deleted since
    auto hits = target->search(record->vector, options).hits;
    std::erase_if(hits, [&](const index::Hit& hit) { return hit.id == row.id; });
    if (hits.size() > limit) hits.resize(limit);
    matrix.ids.push_back(row.id);
    matrix.rows.push_back(std::move(hits));
  }
  return matrix;
}

void pairs(Context& context, const Call& call, Response& response) {
  const Matrix matrix = measure(context, call);
  std::string& out = response.body;
  out += "{\"pairs\":[";
  bool first = true;
  for (std::size_t i = 0; i < matrix.ids.size(); ++i)
    for (const index::Hit& hit : matrix.rows[i]) {
      out += first ? "{\"a\":" : ",{\"a\":";
      first = false;
      append_id(out, matrix.ids[i]);
      out += ",\"b\":";
      append_id(out, hit.id);
      out += ",\"score\":";
      append_float(out, hit.score);
      out += '}';
    }
  out += "]}";
}

template <typename Append>
void append_list(std::string& out, const Matrix& matrix, const Append& append) {
  out += '[';
  bool first = true;
  for (std::size_t i = 0; i < matrix.ids.size(); ++i)
    for (const index::Hit& hit : matrix.rows[i]) {
      if (!first) out += ',';
      first = false;
      append(i, hit);
    }
  out += ']';
}

void offsets(Context& context, const Call& call, Response& response) {
  const Matrix matrix = measure(context, call);
  std::unordered_map<index::PointId, std::size_t, index::PointIdHash> places;
  for (std::size_t i = 0; i < matrix.ids.size(); ++i) places[matrix.ids[i]] = i;
  std::string& out = response.body;
  out += "{\"offsets_row\":";
  append_list(out, matrix, [&](std::size_t i, const index::Hit&) { append_unsigned(out, i); });
  out += ",\"offsets_col\":";
  append_list(out, matrix, [&](std::size_t, const index::Hit& hit) { append_unsigned(out, places[hit.id]); });
  out += ",\"scores\":";
  append_list(out, matrix, [&](std::size_t, const index::Hit& hit) { append_float(out, hit.score); });
  out += ",\"ids\":[";
  for (std::size_t i = 0; i < matrix.ids.size(); ++i) {
    if (i) out += ',';
    append_id(out, matrix.ids[i]);
  }
  out += "]}";
}

}  // namespace

void add_matrix_routes(Router& router, Context& context) {
  const std::string matrix = "/collections/{name}/points/search/matrix/";
  router.add({"POST", matrix + "pairs", Lane::read, true,
              [&](const Call& call, Response& response) { pairs(context, call, response); }});
  router.add({"POST", matrix + "offsets", Lane::read, true,
              [&](const Call& call, Response& response) { offsets(context, call, response); }});
}

}  // namespace nestor::server
