#pragma once
// Changes of a stored payload, made on its text: what a change does not touch keeps every byte.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/collection.h"
#include "server/field_path.h"

namespace nestor::server {

struct PayloadEdit {
  enum class Kind {
    merge,        // the keys of `payload` replace or join those of the object at `key`, by default the whole payload
    replace,      // `payload` is all that is left
    remove_keys,  // what stands at `keys` goes
    clear
  };
  Kind kind = Kind::clear;
  std::string_view payload;  // object text in the request
  std::optional<FieldPath> key;
  std::vector<FieldPath> keys;

  // `stored` is object text or empty. The value follows the payload's token. Throws HttpError 400 when the result
  // would be larger than kMaxPayloadBytes.
  index::PayloadUpdate apply(std::string_view stored, std::optional<std::uint32_t> value) const;
};

inline constexpr std::size_t kMaxPayloadBytes = std::size_t{32} << 20;

}  // namespace nestor::server
