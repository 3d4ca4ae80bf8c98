#pragma once
// What the server says, as the library's types.

#include <nlohmann/json.hpp>

#include "index/collection.h"
#include "index/knn_lm.h"

namespace nestor::client {

index::PointId read_id(const nlohmann::json& id);
index::QueryResult read_query_result(const nlohmann::json& result, index::Metric metric);
index::Record read_record(const nlohmann::json& point);
index::LookupResult read_distribution(const nlohmann::json& distribution);
index::CollectionInfo read_info(const nlohmann::json& result);
index::Sequence read_sequence(const nlohmann::json& result);

}  // namespace nestor::client
