#pragma once
// A collection in the dialect's words: a CollectionInfo. Clients read it by strict models: `vectors` holds the
// dialect's fields only, the ladder stands beside it as `config.params.matryoshka`.

#include <nlohmann/json.hpp>
#include <string>

#include "server/catalog.h"
#include "server/schema.h"

namespace nestor::server {

// Attributes that are not ours (a collection made by the embedded library) give the defaults.
Schema schema_from_attributes(const std::string& attributes);
// The part `config`.
nlohmann::json collection_config(const index::CollectionOptions& options, const std::string& attributes);
std::string info_json(const OpenCollection& target, const std::string& attributes);

}  // namespace nestor::server
