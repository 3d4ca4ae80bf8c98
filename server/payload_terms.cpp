#include "server/payload_terms.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "index/error.h"
#include "server/datetime.h"
#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/payload.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

constexpr std::size_t kMostKeywordBytes = 255;

constexpr std::array<std::pair<std::string_view, IndexKind>, 6> kKinds = {
    {{"keyword", IndexKind::keyword},
     {"integer", IndexKind::integer},
     {"float", IndexKind::number},
     {"bool", IndexKind::boolean},
     {"datetime", IndexKind::datetime},
     {"uuid", IndexKind::uuid}}};

template <typename T>
void append_big(std::string& out, T value) {
  for (std::size_t i = sizeof value; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::optional<std::string> uuid_term(std::string_view text) {
  try {
    const index::PointId id = index::PointId::uuid(text);
    if (index::to_string(id) != text) return std::nullopt;
    std::string term(kValueTerms);
    append_big(term, id.high);
    append_big(term, id.low);
    return term;
  } catch (const index::Error&) {
    return std::nullopt;
  }
}

long double number_of(std::string_view text) {
  long double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool is_integer(std::string_view text) { return text.find_first_of(".eE") == std::string_view::npos; }

std::optional<std::string> value_term(IndexKind kind, const JsonValue& value) {
  if (value.is_string()) return text_term(kind, *value.as_string());
  if (value.is_boolean() && kind == IndexKind::boolean) return boolean_term(*value.as_bool());
  if (!value.is_number()) return std::nullopt;
  if (kind == IndexKind::number) return number_term(number_of(value.text()));
  return kind == IndexKind::integer ? integer_term(value.text()) : std::nullopt;
}

class PayloadTerms final : public storage::TermExtractor {
 public:
  explicit PayloadTerms(const std::vector<storage::PayloadIndex>& indexes) {
    for (const storage::PayloadIndex& each : indexes)
      if (const auto kind = index_kind(each.definition)) fields_.push_back({each.number, *kind, parse_field_path(each.field)});
  }

  void extract(std::string_view payload, std::optional<std::uint32_t> value, const Sink& sink) const override {
    if (payload.empty() && !value) return;
    with_payload(payload, value, [&](const JsonValue& object) {
      for (const Field& field : fields_) extract_field(field, object, sink);
    });
  }

 private:
  struct Field {
    std::uint32_t number;
    IndexKind kind;
    FieldPath path;
  };

  static void extract_field(const Field& field, const JsonValue& object, const Sink& sink) {
    std::uint32_t count = 0;
    const auto look = [&](const JsonValue& value) {
      if (value.is_null() || value.is_object()) return;
      const auto term = value_term(field.kind, value);
      sink(field.number, term ? std::string_view(*term) : kOtherTerm);
    };
    for (const JsonValue& value : values_at(field.path, object)) {
      if (value.is_null()) sink(field.number, kNullTerm);
      if (!value.is_array()) {
        count += value.is_null() ? 0 : 1;
        look(value);
        continue;
      }
      count += static_cast<std::uint32_t>(value.size());
      for (const JsonValue& item : value.items()) look(item);
    }
    if (count > 0) sink(field.number, count_term(count));
  }

  std::vector<Field> fields_;
};

}  // namespace

std::string_view to_string(IndexKind kind) {
  for (const auto& [name, each] : kKinds)
    if (each == kind) return name;
  return "keyword";
}

namespace {

// Where terms lie and which of them there are, is the same for all; a hint that asks for less than there is, is kept.
void check_index_parameters(const JsonValue& schema, IndexKind kind) {
  switch (kind) {
    case IndexKind::keyword:
    case IndexKind::uuid:
      allow_fields(schema, "field_schema", {"type", "is_tenant", "on_disk", "memory", "enable_hnsw"});
      break;
    case IndexKind::integer:
      allow_fields(schema, "field_schema",
                   {"type", "lookup", "range", "is_principal", "on_disk", "memory", "enable_hnsw"});
      if (bool_field(schema, "lookup") == false && bool_field(schema, "range") == false)
        validation_error("field_schema", "the 'lookup' and 'range' capabilities can't be both disabled");
      break;
    case IndexKind::number:
    case IndexKind::datetime:
      allow_fields(schema, "field_schema", {"type", "is_principal", "on_disk", "memory", "enable_hnsw"});
      break;
    case IndexKind::boolean: allow_fields(schema, "field_schema", {"type", "on_disk", "memory", "enable_hnsw"}); break;
  }
}

}  // namespace

IndexKind read_index_definition(const JsonValue& schema) {
  const IndexKind kind = read_index_kind(schema);
  if (schema.is_object()) check_index_parameters(schema, kind);
  return kind;
}

IndexKind read_index_kind(const JsonValue& schema) {
  std::optional<std::string> word = schema.as_string();
  if (!word) {
    expect_object(schema, "field_schema");
    required_field(schema, "type");
    word = string_field(schema, "type");
  }
  for (const auto& [name, kind] : kKinds)
    if (name == *word) return kind;
  if (*word == "geo" || *word == "text") not_supported("a payload index of type `" + *word + "`");
  format_error("unknown variant `" + *word + "` for `field_schema`, expected one of `keyword`, `integer`, `float`, "
               "`bool`, `datetime`, `uuid`");
}

std::optional<IndexKind> index_kind(const std::string& definition) {
  try {
    return read_index_kind(JsonDocument(definition).root());
  } catch (const HttpError&) {
    return std::nullopt;
  }
}

std::optional<std::string> text_term(IndexKind kind, std::string_view text) {
  if (kind == IndexKind::uuid) return uuid_term(text);
  if (kind == IndexKind::datetime) {
    const auto moment = parse_datetime(text);
    return moment ? std::optional(datetime_term(*moment)) : std::nullopt;
  }
  if (kind != IndexKind::keyword || text.size() > kMostKeywordBytes || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  return std::string(kValueTerms) + std::string(text) + '\0';
}

std::optional<std::string> integer_term(std::string_view digits) {
  if (!is_integer(digits)) return std::nullopt;
  std::uint64_t magnitude = 0;
  const bool negative = digits.starts_with('-');
  const std::string_view unsigned_digits = digits.substr(negative ? 1 : 0);
  const char* last = unsigned_digits.data() + unsigned_digits.size();
  const auto [end, code] = std::from_chars(unsigned_digits.data(), last, magnitude);
  if (code != std::errc() || end != last) return std::nullopt;
  const auto value = static_cast<long double>(magnitude);
  return number_term(negative ? -value : value);
}

std::string number_term(long double value) {
  constexpr int kExponentBias = 16446;  // the least subnormal has exponent -16444
  int exponent = 0;
  const long double fraction = std::frexp(std::abs(value), &exponent);  // 0, or from 0.5 to below 1
  auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 64));
  auto head = static_cast<std::uint16_t>(0x8000 | (fraction == 0 ? 0 : exponent + kExponentBias));
  if (value < 0) {
    head = static_cast<std::uint16_t>(~head);
    mantissa = ~mantissa;
  }
  std::string term(kValueTerms);
  append_big(term, head);
  append_big(term, mantissa);
  return term;
}

std::string boolean_term(bool value) { return std::string(kValueTerms) + (value ? '1' : '0'); }

std::string datetime_term(std::int64_t microseconds) {
  std::string term(kValueTerms);
  append_big(term, static_cast<std::uint64_t>(microseconds) ^ (std::uint64_t{1} << 63));
  return term;
}

std::string count_term(std::uint32_t count) {
  std::string term(kCountTerms);
  append_big(term, count);
  return term;
}

std::string after(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::shared_ptr<const storage::TermExtractor> make_payload_terms(const std::vector<storage::PayloadIndex>& indexes) {
  return std::make_shared<PayloadTerms>(indexes);
}

}  // namespace nestor::server
