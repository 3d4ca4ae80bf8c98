#include "bench/http/request_forms.h"

#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "server/base64.h"
#include "server/json_writer.h"

namespace nestor::bench {
namespace {

using nlohmann::json;

std::string whole(const std::string& method, const std::string& target, const std::string& type,
                  const std::string& body) {
  return method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void append_widened(std::string& out, std::span<const float> vector) {
  out += '[';
  for (std::size_t i = 0; i < vector.size(); ++i) {
    char text[32];
    out.append(i ? "," : "").append(text, std::to_chars(text, text + sizeof text, static_cast<double>(vector[i])).ptr);
  }
  out += ']';
}

void append_text_vector(std::string& out, VectorForm form, std::span<const float> vector) {
  if (form == VectorForm::json_double) return append_widened(out, vector);
  if (form == VectorForm::json_shortest) return server::append_vector(out, vector);
  out += '"';
  server::append_base64(out, {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
  out += '"';
}

std::string packed(VectorForm form, std::span<const float> vector, unsigned k) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(vector.data());
  json body = {{"limit", k}};
  if (form == VectorForm::cbor_list)
    body["query"] = std::vector<float>(vector.begin(), vector.end());
  else
    body["query"] = json::binary({bytes, bytes + vector.size_bytes()});
  std::string out;
  if (form == VectorForm::msgpack_bytes)
    json::to_msgpack(body, nlohmann::detail::output_adapter<char>(out));
  else
    json::to_cbor(body, nlohmann::detail::output_adapter<char>(out));
  return out;
}

}  // namespace

std::string name_of(VectorForm form) {
  switch (form) {
    case VectorForm::json_double: return "JSON, as JavaScript prints";
    case VectorForm::json_shortest: return "JSON, shortest";
    case VectorForm::base64: return "JSON with base64";
    case VectorForm::cbor_list: return "CBOR, list";
    case VectorForm::cbor_bytes: return "CBOR, bytes";
    case VectorForm::msgpack_bytes: return "MessagePack, bytes";
  }
  return "";
}

std::string query_request(VectorForm form, std::span<const float> vector, unsigned k) {
  const std::string target = "/collections/bench/points/query";
  if (form == VectorForm::msgpack_bytes) return whole("POST", target, "application/msgpack", packed(form, vector, k));
  if (form == VectorForm::cbor_list || form == VectorForm::cbor_bytes)
    return whole("POST", target, "application/cbor", packed(form, vector, k));
  std::string body = "{\"limit\":" + std::to_string(k) + ",\"query\":";
  append_text_vector(body, form, vector);
  return whole("POST", target, "application/json", body + "}");
}

std::string upsert_request(VectorForm form, std::span<const float> rows, std::size_t dim, std::uint64_t first) {
  std::string body = "{\"points\":[";
  for (std::size_t row = 0; row * dim < rows.size(); ++row) {
    body += (row ? ",{\"id\":" : "{\"id\":") + std::to_string(first + row) + ",\"vector\":";
    append_text_vector(body, form, rows.subspan(row * dim, dim));
    body += '}';
  }
  return whole("PUT", "/collections/ingest/points?wait=true", "application/json", body + "]}");
}

}  // namespace nestor::bench
