#pragma once
// Creation in the dialect's words: a request becomes options and attributes. The attributes are {"vector_name": ...,
// "create": the request as it came, with what was changed since}.

#include <string>
#include <string_view>

#include "index/collection.h"
#include "server/limits.h"

namespace nestor::server {

struct Creation {
  index::CollectionOptions options;  // validated
  std::string attributes;
};

// Throws HttpError 4xx, index::Error invalid_argument.
Creation parse_creation(std::string_view body, const RequestLimits& limits);
// 1..255 bytes of UTF-8, none of < > : " / \ | ? * and no control characters, neither "." nor "..". Throws HttpError
// 422.
void check_collection_name(std::string_view name);
void check_alias_name(std::string_view name);  // the same rules, in a body

}  // namespace nestor::server
