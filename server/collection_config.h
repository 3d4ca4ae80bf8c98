#pragma once
// Collections in the dialect's words: a creation request becomes options and attributes, a collection
// becomes a CollectionInfo. The attributes are {"vector_name": ..., "create": the request as it came}.

#include <string>
#include <string_view>

#include "index/collection.h"
#include "server/limits.h"
#include "server/catalog.h"
#include "server/schema.h"

namespace nestor::server {

struct Creation {
  index::CollectionOptions options;  // validated
  std::string attributes;
};

// Throws HttpError 4xx, index::Error invalid_argument.
Creation parse_creation(std::string_view body, const RequestLimits& limits);
// 1..255 bytes, none of < > : " / \ | ? * and no control characters. Throws HttpError 422.
void check_collection_name(std::string_view name);
void check_alias_name(std::string_view name);  // the same rules, in a body

// Attributes that are not ours (a collection made by the embedded library) give the defaults.
Schema schema_from_attributes(const std::string& attributes);
std::string info_json(const OpenCollection& target, const std::string& attributes);

}  // namespace nestor::server
