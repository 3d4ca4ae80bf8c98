#pragma once
// Payloads: which fields an answer shows, and writing a stored point's parts. A payload is kept as the JSON
// text it came in and copied into answers as it is.

#include <optional>
#include <string>
#include <vector>

#include "index/collection.h"
#include "server/json_view.h"
#include "server/payload_selector.h"
#include "server/schema.h"

namespace nestor::server {

// The payload field that is the point's kNN-LM value, when it holds an integer of 0..kMaxToken.
inline constexpr std::string_view kTokenField = "token";
// 2^32 - 1 is taken: index/ marks rows without a value by it.
inline constexpr std::uint64_t kMaxToken = 0xFFFFFFFE;
// Nesting of a stored payload is not limited again: what is stored was checked when it came, by whatever limit then.
inline constexpr std::size_t kStoredDepth = 1000;

// `with_vector`: a boolean or a list of names. `with_vectors` is taken too.
bool read_vector_selector(const JsonValue& request, const Schema& schema, bool by_default);

// The token of a payload object; nullopt when it has none or something else under that name.
std::optional<std::uint32_t> payload_token(const JsonValue& payload);

// The payload object with the token as a field, for a value that came without one (from an offline build).
std::string with_token_field(const JsonValue& payload, std::uint32_t token);

struct RecordFormat {
  PayloadSelector payload;
  bool with_vector = false;
  const Schema* schema = nullptr;
  std::size_t vector_width = 0;   // only these coordinates of a vector; 0: all
  bool normalise_prefix = false;  // a prefix as a vector of its own: of length 1
};

// ,"payload":{...},"vector":[...] as far as wanted.
void append_record_parts(std::string& out, const index::Record& record, const RecordFormat& format);
// {"id":...,"payload":...,"vector":...}
void append_record(std::string& out, const index::Record& record, const RecordFormat& format);

}  // namespace nestor::server
