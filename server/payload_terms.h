#pragma once
// What the terms of a payload index say. For a row and an indexed key, with lists replaced by their elements as filters
// do:
//
//   'c' u32            so many values stand at the key, 1 or more (see ValuesCount)
//   'n'                null stands there, not as an element of a list
//   'o'                a string, number, boolean or list stands there that no value term says exactly
//   'v' and the value  for values of the index's kind:
//     keyword    the bytes of the string and 0x00; up to 255 bytes without 0x00
//     integer    u80 number; integers of 64 bits, signed or unsigned, written without fraction and exponent
//     float      u80 number; all numbers
//     bool       '0' or '1'
//     datetime   u64: microseconds since 1970 with the sign bit flipped; strings that are dates
//     uuid       16 bytes; strings in the form of lower-case 8-4-4-4-12
//
// Integers are big-endian, so that bytewise order is numeric. A u80 number holds sign, exponent and 64 bits of mantissa
// of a long double, all bits flipped below zero: order and equality are those that filters see.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/field_path.h"
#include "server/json_view.h"
#include "storage/payload_index.h"

namespace nestor::server {

enum class IndexKind { keyword, integer, number, boolean, datetime, uuid };

std::string_view to_string(IndexKind kind);  // "keyword", "integer", "float", "bool", "datetime", "uuid"

// A `field_schema`: a kind by name, or an object with `type`. Throws HttpError 400, for the kinds of the dialect that
// are not spoken (geo, text) by name.
IndexKind read_index_kind(const JsonValue& schema);
// The same of a request: 400 also for unknown parameters, which readers with types could not read again; 422 for ones
// that leave nothing.
IndexKind read_index_definition(const JsonValue& schema);
// Of a stored definition, which is such a schema; nullopt for what this version does not know.
std::optional<IndexKind> index_kind(const std::string& definition);

// Value terms; nullopt where the kind cannot say the value.
std::optional<std::string> text_term(IndexKind kind, std::string_view text);
std::optional<std::string> integer_term(std::string_view digits);
std::string number_term(long double value);
std::string boolean_term(bool value);
std::string datetime_term(std::int64_t microseconds);
std::string count_term(std::uint32_t count);
inline constexpr std::string_view kNullTerm = "n", kOtherTerm = "o", kValueTerms = "v", kCountTerms = "c";

// The smallest byte string above every one that begins with `prefix`. REQUIRES a byte below 0xFF in it.
std::string after(std::string prefix);

// For Database::use_payload_terms.
std::shared_ptr<const storage::TermExtractor> make_payload_terms(const std::vector<storage::PayloadIndex>& indexes);

}  // namespace nestor::server
