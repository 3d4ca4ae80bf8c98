#pragma once
// What the server says, as the library's types.

#include <nlohmann/json.hpp>

#include "index/collection.h"
#include "index/knn_lm.h"

namespace nestor::client {

index::PointId read_id(const nlohmann::json& id);
index::QueryResult read_query_result(const nlohmann::json& result, index::Metric metric);
index::Record read_record(const nlohmann::json& point);
std::vector<index::LookupResult> read_distributions(const nlohmann::json& result);
std::vector<index::TokenScore> read_token_scores(const nlohmann::json& result);
std::vector<index::QueryResult> read_neighbours(const nlohmann::json& result, index::Metric metric);
// What knnlm answers call a distance, smaller is nearer as in Hit.
float read_knnlm_distance(const nlohmann::json& distance, index::Metric metric);
index::CollectionInfo read_info(const nlohmann::json& result);
index::Sequence read_sequence(const nlohmann::json& result);

}  // namespace nestor::client
