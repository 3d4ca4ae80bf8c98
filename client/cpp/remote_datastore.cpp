#include "client/cpp/remote_datastore.h"

#include <cmath>
#include <limits>

#include "client/cpp/answer_reader.h"
#include "client/cpp/ask.h"
#include "client/cpp/request_text.h"
#include "index/error.h"
#include "server/json_writer.h"

namespace nestor::client {
namespace {

using nlohmann::json;
using storage::DatastoreQuery;

template <typename Item>
void append_list(std::string& out, std::span<const Item> items, void (*append)(std::string&, Item)) {
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i) out += ',';
    append(out, items[i]);
  }
  out += ']';
}

void append_integer(std::string& out, std::uint64_t value) { server::append_unsigned(out, value); }
void append_token(std::string& out, std::uint32_t value) { server::append_unsigned(out, value); }
void append_document(std::string& out, std::uint64_t value) {
  if (value == index::kNoDocument)
    out += "null";
  else
    server::append_unsigned(out, value);
}

std::string query_text(const DatastoreQuery& query) {
  std::string out = lookup_options_text(query.options);
  if (query.weights) out += ",\"weights\":true";
  if (query.options.weight_mode == index::WeightMode::compatible) out += ",\"weight_mode\":\"compatible\"";
  if (!query.exclude_documents.empty()) {
    out += ",\"exclude_doc_id\":";
    append_list<std::uint64_t>(out, query.exclude_documents, append_document);
  }
  if (!query.entry_ids.empty()) out += ",\"entry_ids\":" + ids_text(query.entry_ids);
  return out;
}

}  // namespace

// Asks knnlm/`name` about queries; `more`: the members of the body behind them.
template <typename Read>
auto RemoteDatastore::ask_about(const char* name, std::span<const float> queries, std::size_t count,
                                const std::string& more, const Read& read) const {
  std::string body = "{\"queries\":";
  append_query_vectors(body, queries, count, collection_->channel_->options().vectors);
  return ask(*collection_->channel_, {"POST", collection_->path(std::string("/knnlm/") + name), body + more + "}"},
             read);
}

std::uint64_t RemoteDatastore::append(const storage::DatastoreRows& rows) {
  std::string body = "{\"keys\":";
  append_query_vectors(body, rows.keys, rows.keys.size() / collection_->options().dim,
                       collection_->channel_->options().vectors);
  if (!rows.values.empty()) {
    body += ",\"values\":";
    append_list<std::uint32_t>(body, rows.values, append_token);
  }
  if (!rows.weights.empty()) {
    body += ",\"weights\":";
    append_finite(body, rows.weights, "weights");
  }
  if (!rows.documents.empty()) {
    body += ",\"doc_ids\":";
    append_list<std::uint64_t>(body, rows.documents, append_integer);
  }
  return ask(*collection_->channel_, {"POST", collection_->path("/knnlm/append"), body + "}", Repeat::never},
             [](const json& result) { return result.at("first_id").get<std::uint64_t>(); });
}

std::vector<index::LookupResult> RemoteDatastore::lookup(std::span<const float> queries, std::size_t count,
                                                         const DatastoreQuery& query) const {
  if (count == 0) return {};
  return ask_about("lookup", queries, count, query_text(query), read_distributions);
}

std::vector<index::TokenScore> RemoteDatastore::score(std::span<const float> queries, std::size_t count,
                                                      const index::ScoreTargets& targets,
                                                      const DatastoreQuery& query) const {
  if (count == 0) return {};
  std::string more = query_text(query) + ",\"targets\":";
  append_list<std::uint32_t>(more, targets.tokens, append_token);
  more += ",\"lm_log_probabilities\":";
  for (const float lm : targets.lm_log_probabilities)
    if (std::isnan(lm)) throw index::Error(index::ErrorCode::invalid_argument, "a log-probability is not a number");
  server::append_vector(more, targets.lm_log_probabilities);  // -infinity as the smallest there is
  more += ",\"lambda\":";
  append_finite(more, targets.lambdas, "lambdas");
  return ask_about("score", queries, count, more, read_token_scores);
}

std::vector<index::QueryResult> RemoteDatastore::search(std::span<const float> queries, std::size_t count,
                                                        const DatastoreQuery& query) const {
  if (count == 0) return {};
  const index::Metric metric = collection_->options().metric;
  return ask_about("search", queries, count, query_text(query),
                   [metric](const json& result) { return read_neighbours(result, metric); });
}

std::vector<float> RemoteDatastore::distances(std::span<const float> queries, std::size_t count,
                                              std::span<const index::PointId> ids) const {
  if (count == 0) return {};
  const index::Metric metric = collection_->options().metric;
  return ask_about("distances", queries, count, ",\"ids\":" + ids_text(ids), [metric](const json& result) {
    std::vector<float> out;
    for (const json& row : result.at("distances"))
      for (const json& one : row)
        out.push_back(one.is_null() ? std::numeric_limits<float>::infinity() : read_knnlm_distance(one, metric));
    return out;
  });
}

std::vector<float> RemoteDatastore::get_vectors(std::span<const index::PointId> ids) const {
  return ask(*collection_->channel_,
             {"POST", collection_->path("/knnlm/get_vectors"), "{\"ids\":" + ids_text(ids) + "}"},
             [](const json& result) {
               std::vector<float> out;
               for (const json& row : result.at("vectors"))
                 for (const json& x : row) out.push_back(x.get<float>());
               return out;
             });
}

std::vector<std::optional<index::PointId>> RemoteDatastore::next_ids(std::span<const index::PointId> ids) const {
  return ask(*collection_->channel_, {"POST", collection_->path("/knnlm/next_ids"), "{\"ids\":" + ids_text(ids) + "}"},
             [](const json& result) {
               std::vector<std::optional<index::PointId>> out;
               for (const json& one : result.at("next_ids"))
                 out.push_back(one.is_null() ? std::nullopt : std::optional(read_id(one)));
               return out;
             });
}

}  // namespace nestor::client
