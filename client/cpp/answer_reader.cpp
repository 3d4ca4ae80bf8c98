#include "client/cpp/answer_reader.h"

#include "index/error.h"

namespace nestor::client {
namespace {

using nlohmann::json;

// The reverse of index::score_from_distance().
float distance_from_score(index::Metric metric, float score) {
  switch (metric) {
    case index::Metric::l2: return score * score;
    case index::Metric::dot: return -score;
    case index::Metric::cosine: return 1 - score;
  }
  return score;
}

std::vector<index::StageReport> read_stages(const json& explain) {
  std::vector<index::StageReport> out;
  for (const json& item : explain) {
    index::StageReport stage;
    stage.name = item.value("stage", "");
    stage.width = item.value("width", 0u);
    stage.candidates_in = item.value("candidates_in", std::uint64_t{0});
    stage.candidates_out = item.value("candidates_out", std::uint64_t{0});
    stage.distance_evaluations = item.value("distance_evaluations", std::uint64_t{0});
    stage.coordinates_read = item.value("coordinates_read", std::uint64_t{0});
    stage.microseconds = item.value("microseconds", 0.0);
    stage.stopped_because = item.value("stopped_because", "");
    out.push_back(std::move(stage));
  }
  return out;
}

std::optional<index::Certification> read_certification(const json& answer) {
  const auto certified = answer.find("certified");
  if (certified == answer.end()) return std::nullopt;
  index::Certification said;
  said.certified = certified->get<bool>();
  said.certificate = answer.value("certificate", std::uint64_t{0});
  said.recall = answer.value("certified_recall", 0.0);
  said.exit_stage = answer.value("exit_stage", "");
  said.note = answer.value("note", "");
  return said;
}

std::optional<std::uint32_t> token_of(const json& payload) {
  const auto token = payload.find("token");
  if (token == payload.end() || !token->is_number_unsigned()) return std::nullopt;
  const auto value = token->get<std::uint64_t>();
  return value < 0xFFFFFFFF ? std::optional(static_cast<std::uint32_t>(value)) : std::nullopt;
}

index::Metric read_metric(const std::string& distance) {
  if (distance == "Cosine") return index::Metric::cosine;
  return distance == "Dot" ? index::Metric::dot : index::Metric::l2;
}

}  // namespace

index::PointId read_id(const json& id) {
  return id.is_string() ? index::PointId::uuid(id.get<std::string>()) : index::PointId::number(id.get<std::uint64_t>());
}

index::QueryResult read_query_result(const json& result, index::Metric metric) {
  index::QueryResult out;
  for (const json& point : result.at("points")) {
    index::Hit hit;
    hit.id = read_id(point.at("id"));
    hit.score = point.at("score").get<float>();
    hit.distance = distance_from_score(metric, hit.score);
    hit.version = point.value("version", std::uint64_t{0});
    out.hits.push_back(hit);
  }
  if (const auto explain = result.find("explain"); explain != result.end()) out.stages = read_stages(*explain);
  out.certification = read_certification(result);
  return out;
}

index::Record read_record(const json& point) {
  index::Record record;
  record.id = read_id(point.at("id"));
  if (const auto vector = point.find("vector"); vector != point.end() && !vector->is_null()) {
    // A named vector stands in an object of its own.
    const json& list = vector->is_object() && !vector->empty() ? vector->begin().value() : *vector;
    record.vector = list.get<std::vector<float>>();
  }
  if (const auto payload = point.find("payload"); payload != point.end() && payload->is_object() && !payload->empty()) {
    record.payload = payload->dump();
    record.value = token_of(*payload);
  }
  return record;
}

std::vector<index::LookupResult> read_distributions(const json& result) {
  std::vector<index::LookupResult> out;
  for (const json& one : result.at("distributions")) {
    index::LookupResult& lookup = out.emplace_back();
    for (const json& token : one.at("tokens"))
      lookup.tokens.push_back({token.at("token").get<std::uint32_t>(), token.at("probability").get<double>()});
    lookup.neighbours = one.value("neighbours", 0u);
    lookup.searched = one.value("searched", 0u);
    lookup.total_variation_bound = one.value("total_variation_bound", 0.0);
    lookup.certification = read_certification(one);
    if (const auto explain = one.find("explain"); explain != one.end()) lookup.stages = read_stages(*explain);
  }
  return out;
}

std::vector<index::TokenScore> read_token_scores(const json& result) {
  std::vector<index::TokenScore> out;
  for (const json& one : result.at("scores")) {
    index::TokenScore& score = out.emplace_back();
    score.log_probability = one.at("log_probability").get<double>();
    score.knn_log_probability = one.at("knn_log_probability").get<double>();
    score.neighbours = one.value("neighbours", 0u);
    score.searched = one.value("searched", 0u);
    score.total_variation_bound = one.value("total_variation_bound", 0.0);
  }
  return out;
}

float read_knnlm_distance(const json& distance, index::Metric metric) {
  const auto value = distance.get<float>();
  return metric == index::Metric::l2 ? value : distance_from_score(metric, value);
}

std::vector<index::QueryResult> read_neighbours(const json& result, index::Metric metric) {
  std::vector<index::QueryResult> out;
  for (const json& row : result.at("neighbours")) {
    index::QueryResult& one = out.emplace_back();
    for (const json& neighbour : row) {
      index::Hit hit;
      hit.id = read_id(neighbour.at("id"));
      hit.distance = read_knnlm_distance(neighbour.at("distance"), metric);
      hit.score = index::score_from_distance(metric, hit.distance);
      if (const auto token = neighbour.find("token"); token != neighbour.end()) hit.value = token->get<std::uint32_t>();
      one.hits.push_back(hit);
    }
  }
  return out;
}

index::CollectionInfo read_info(const json& result) {
  index::CollectionInfo info;
  const json& config = result.at("config");
  json vectors = config.at("params").at("vectors");
  if (vectors.is_object() && !vectors.contains("size") && !vectors.empty()) vectors = json(vectors.begin().value());
  info.options.dim = vectors.at("size").get<std::uint32_t>();
  info.options.metric = read_metric(vectors.at("distance").get<std::string>());
  info.options.scalar_type = index::parse_scalar_type(vectors.value("datatype", "float32"));
  const json& params = config.at("params");
  // Older servers had it among the vector's own parameters.
  const json& home = params.contains("matryoshka") ? params : vectors;
  if (const auto nested = home.find("matryoshka"); nested != home.end()) {
    info.options.widths = nested->value("widths", std::vector<std::uint32_t>{});
    info.options.graphs = nested->value("graphs", std::vector<std::uint32_t>{});
    info.options.rotation = index::parse_rotation(nested->value("rotation", "none"));
    info.options.walk_codes = index::parse_walk_codes(nested->value("walk_codes", "auto"));
  }
  json graph = config.at("hnsw_config");
  if (const auto own = vectors.find("hnsw_config"); own != vectors.end() && own->is_object()) graph.update(*own);
  info.options.graph.max_links = graph.value("m", 16u);
  info.options.graph.candidates_at_build = graph.value("ef_construct", 100u);
  info.points = result.value("points_count", std::uint64_t{0});
  info.indexed_points = result.value("indexed_vectors_count", std::uint64_t{0});
  info.building = result.value("status", "") == "yellow";
  return info;
}

index::Sequence read_sequence(const json& result) { return result.at("operation_id").get<std::uint64_t>(); }

}  // namespace nestor::client
