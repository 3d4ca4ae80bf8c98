#include "client/cpp/request_text.h"

#include <bit>
#include <cmath>

#include "index/payload_check.h"
#include "server/base64.h"
#include "server/json_writer.h"

namespace nestor::client {
namespace {

using index::Error;
using index::ErrorCode;

static_assert(std::endian::native == std::endian::little, "the bytes in memory are those on the wire");

// The payload with the value in it, checked here: what is no object would end it early and mean something else.
void append_payload(std::string& out, const index::Point& point) {
  index::check_payload(point.id, point.payload, point.value);
  if (!point.value) {
    out += point.payload;
    return;
  }
  out += "{\"token\":";
  server::append_unsigned(out, *point.value);
  const std::size_t brace = point.payload.find('{');
  const std::size_t next = point.payload.find_first_not_of(" \n\r\t", std::min(brace, point.payload.size() - 1) + 1);
  if (point.payload.empty() || brace == std::string_view::npos || next == std::string_view::npos ||
      point.payload[next] == '}') {
    out += '}';
    return;
  }
  out += ',';
  out += point.payload.substr(brace + 1);
}

}  // namespace

void append_query_vector(std::string& out, std::span<const float> vector, VectorEncoding encoding) {
  for (const float x : vector)
    if (!std::isfinite(x)) throw Error(ErrorCode::invalid_argument, "a coordinate of the vector is not finite");
  if (encoding == VectorEncoding::list) return server::append_vector(out, vector);
  out += '"';
  server::append_base64(out, {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
  out += '"';
}

std::size_t row_length(std::span<const float> rows, std::size_t count) {
  if (count == 0 || rows.size() % count != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(rows.size()) + " values do not make " +
                                                 std::to_string(count) + " vectors of one length");
  return rows.size() / count;
}

void append_query_vectors(std::string& out, std::span<const float> vectors, std::size_t count,
                          VectorEncoding encoding) {
  const std::size_t length = row_length(vectors, count);
  out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i) out += ',';
    append_query_vector(out, vectors.subspan(i * length, length), encoding);
  }
  out += ']';
}

std::string upsert_text(std::span<const index::Point> points, VectorEncoding encoding) {
  std::string out = "{\"points\":[";
  if (!points.empty()) out.reserve(points.size() * (points.front().vector.size() * 6 + 64));
  bool first = true;
  for (const index::Point& point : points) {
    out += first ? "{\"id\":" : ",{\"id\":";
    first = false;
    server::append_id(out, point.id);
    out += ",\"vector\":";
    append_query_vector(out, point.vector, encoding);
    if (!point.payload.empty() || point.value) {
      out += ",\"payload\":";
      append_payload(out, point);
    }
    out += '}';
  }
  return out + "]}";
}

std::string ids_text(std::span<const index::PointId> ids) {
  std::string out = "[";
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i) out += ',';
    server::append_id(out, ids[i]);
  }
  return out + "]";
}

void append_finite(std::string& out, std::span<const float> numbers, std::string_view what) {
  for (const float x : numbers)
    if (!std::isfinite(x))
      throw Error(ErrorCode::invalid_argument, "a number in " + std::string(what) + " is not finite");
  server::append_vector(out, numbers);
}

std::string params_text(const index::SearchOptions& options, const char* query_type) {
  if (!options.allowed_slots.empty() || !options.filter_name.empty() || !options.entry_slots.empty() || options.policy)
    throw Error(ErrorCode::invalid_argument,
                "allowed_slots, filter_name, entry_slots and policy cannot be sent to a server");
  std::string nested;
  const auto add = [](std::string& out, const std::string& member) { out += (out.empty() ? "" : ",") + member; };
  if (options.width) add(nested, "\"width\":" + std::to_string(*options.width));
  if (query_type != nullptr) add(nested, std::string("\"query_type\":\"") + query_type + "\"");
  if (!options.stages.empty()) {
    std::string stages;
    for (const index::Stage& stage : options.stages)
      add(stages,
          "{\"width\":" + std::to_string(stage.width) + ",\"shortlist\":" + std::to_string(stage.shortlist) + "}");
    add(nested, "\"stages\":[" + stages + "]");
  }
  const auto add_number = [&](const char* name, std::optional<double> value) {
    if (!value) return;
    if (!std::isfinite(*value)) throw Error(ErrorCode::invalid_argument, std::string(name) + " is not finite");
    std::string member = std::string("\"") + name + "\":";
    server::append_double(member, *value);
    add(nested, member);
  };
  if (!options.exact_distances) add(nested, "\"exact_distances\":false");
  if (options.distance_gap) add_number("distance_gap", static_cast<double>(*options.distance_gap));
  add_number("target_recall", options.target_recall);
  add_number("max_latency_ms", options.max_latency_ms);
  if (!options.encoder.empty()) {
    std::string member = "\"encoder\":";
    server::append_string(member, options.encoder);
    add(nested, member);
  }
  if (options.explain) add(nested, "\"explain\":true");
  std::string params;
  if (options.exact) add(params, "\"exact\":true");
  if (options.candidates_to_explore) add(params, "\"hnsw_ef\":" + std::to_string(*options.candidates_to_explore));
  if (!nested.empty()) add(params, "\"matryoshka\":{" + nested + "}");
  return params.empty() ? "" : ",\"params\":{" + params + "}";
}

std::string search_text(std::span<const float> query, const index::SearchOptions& options, VectorEncoding encoding) {
  std::string out = "{\"query\":";
  append_query_vector(out, query, encoding);
  out += ",\"limit\":" + std::to_string(options.k);
  // Stated, so that a query of one of the widths is told from any other bytes.
  return out + params_text(options, encoding == VectorEncoding::base64 ? "float32" : nullptr) + "}";
}

std::string lookup_options_text(const index::LookupOptions& options) {
  if (options.columns != nullptr || !options.excluded_documents.empty())
    throw Error(ErrorCode::invalid_argument, "columns and excluded_documents cannot be sent to a server");
  if (!std::isfinite(options.temperature) || !std::isfinite(options.eta))
    throw Error(ErrorCode::invalid_argument, "temperature and eta must be finite");
  std::string out = ",\"k\":" + std::to_string(options.search.k) + ",\"temperature\":";
  server::append_double(out, options.temperature);
  out += ",\"top\":" + std::to_string(options.top);
  if (options.eta != 0) {
    out += ",\"eta\":";
    server::append_double(out, options.eta);
  }
  return out + params_text(options.search);
}

}  // namespace nestor::client
