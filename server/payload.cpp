#include "server/payload.h"

#include <cmath>

#include "index/payload_check.h"
#include "server/fields.h"
#include "server/json_writer.h"
#include "server/protocol.h"

namespace nestor::server {

static_assert(kTokenField == index::kTokenField && kMaxToken == index::kMaxToken);

namespace {

void append_member(std::string& out, bool& first, const std::string& key, std::string_view text) {
  if (!first) out += ',';
  first = false;
  append_string(out, key);
  out += ':';
  out += text;
}

// A value that came without a payload field (from an offline build) is shown as if it had come with one.
void append_payload(std::string& out, const index::Record& record, const PayloadSelector& selector) {
  const std::string_view text = record.payload.empty() ? std::string_view("{}") : std::string_view(record.payload);
  if (selector.mode == PayloadSelector::Mode::all && !record.value) {
    out += text;
    return;
  }
  const JsonDocument document(text, kStoredDepth);
  if (!record.value || document.root().find(kTokenField)) return append_selected(out, document.root(), selector);
  const std::string with_token = with_token_field(document.root(), *record.value);
  append_selected(out, JsonDocument(with_token, kStoredDepth).root(), selector);
}

}  // namespace

bool read_vector_selector(const JsonValue& request, const Schema& schema, bool by_default) {
  auto value = field(request, "with_vector");
  if (!value) value = field(request, "with_vectors");
  if (!value) return by_default;
  if (const auto all = value->as_bool()) return *all;
  if (!value->is_array()) wrong_type(*value, "with_vector", "true, false or a list of vector names");
  for (const JsonValue& item : value->items()) {
    const auto name = item.as_string();
    if (!name) wrong_type(item, "with_vector", "a vector name (a string)");
    if (*name != schema.vector_name) wrong_input("Not existing vector name error: " + *name);
  }
  return value->size() > 0;
}

std::optional<std::uint32_t> payload_token(const JsonValue& payload) {
  const auto token = payload.find(kTokenField);
  if (!token) return std::nullopt;
  const auto number = token->as_unsigned();
  if (!number || *number > kMaxToken) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::string with_token_field(const JsonValue& payload, std::uint32_t token) {
  std::string out = "{";
  bool first = true;
  for (const auto& [key, value] : payload.members()) append_member(out, first, key, value.text());
  append_member(out, first, std::string(kTokenField), std::to_string(token));
  return out + '}';
}

namespace {

std::vector<float> shown_vector(const index::Record& record, const RecordFormat& format) {
  if (format.vector_width == 0 || format.vector_width >= record.vector.size()) return record.vector;
  std::vector<float> prefix(record.vector.begin(),
                            record.vector.begin() + static_cast<std::ptrdiff_t>(format.vector_width));
  double squares = 0;
  for (const float x : prefix) squares += static_cast<double>(x) * x;
  if (format.normalise_prefix && squares > 0)
    for (float& x : prefix) x = static_cast<float>(x / std::sqrt(squares));
  return prefix;
}

}  // namespace

void append_record_parts(std::string& out, const index::Record& record, const RecordFormat& format) {
  if (format.payload.wanted()) {
    out += ",\"payload\":";
    append_payload(out, record, format.payload);
  }
  if (!format.with_vector) return;
  out += ",\"vector\":";
  const bool named = format.schema && !format.schema->vector_name.empty();
  if (named) {
    out += '{';
    append_string(out, format.schema->vector_name);
    out += ':';
  }
  append_vector(out, shown_vector(record, format));
  if (named) out += '}';
}

void append_record(std::string& out, const index::Record& record, const RecordFormat& format) {
  out += "{\"id\":";
  append_id(out, record.id);
  append_record_parts(out, record, format);
  out += '}';
}

}  // namespace nestor::server
