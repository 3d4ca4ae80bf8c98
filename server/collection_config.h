#pragma once
// Collections in the dialect's words: a creation request becomes options and attributes, a collection
// becomes a CollectionInfo. The attributes are {"vector_name": ..., "create": the request as it came}.

#include <string>
#include <string_view>

#include "index/collection.h"
#include "server/limits.h"
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

// Attributes that are not ours (a collection made by the embedded library) give the defaults.
Schema schema_from_attributes(const std::string& attributes);
std::string info_json(const index::Collection& collection, const std::string& attributes);

}  // namespace nestor::server
