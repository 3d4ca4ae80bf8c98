#include "client/cpp/remote_collection.h"

#include "client/cpp/answer_reader.h"
#include "client/cpp/ask.h"
#include "client/cpp/request_text.h"
#include "index/error.h"
#include "index/payload_check.h"
#include "server/json_writer.h"

namespace nestor::client {
namespace {

using nlohmann::json;

// A change of payloads; the text is checked before it is put between others.
std::string change_text(std::span<const index::PointId> ids, std::string_view payload) {
  if (payload.empty())
    throw index::Error(index::ErrorCode::invalid_argument, "a payload to write is a JSON object, got none");
  index::check_payload(ids.empty() ? index::PointId{} : ids.front(), payload, {});
  return "{\"payload\":" + std::string(payload) + ",\"points\":" + ids_text(ids) + "}";
}

std::string flags_text(bool with_vector, bool with_payload) {
  return std::string(",\"with_vector\":") + (with_vector ? "true" : "false") +
         ",\"with_payload\":" + (with_payload ? "true" : "false");
}

}  // namespace

RemoteCollection::RemoteCollection(std::shared_ptr<Channel> channel, std::string name, index::CollectionOptions options)
    : channel_(std::move(channel)), name_(std::move(name)), options_(std::move(options)) {}

std::string RemoteCollection::path(std::string_view rest) const {
  return "/collections/" + percent_encode(name_) + std::string(rest);
}

index::Sequence RemoteCollection::upsert(std::span<const index::Point> points) {
  if (points.empty()) return 0;
  return ask(*channel_, {"PUT", path("/points?wait=true"), upsert_text(points, channel_->options().vectors)},
             read_sequence);
}

index::Sequence RemoteCollection::erase(std::span<const index::PointId> ids) {
  return ask(*channel_, {"POST", path("/points/delete?wait=true"), "{\"points\":" + ids_text(ids) + "}"},
             read_sequence);
}

index::Sequence RemoteCollection::set_payload(std::span<const index::PointId> ids, std::string_view payload) {
  return ask(*channel_, {"POST", path("/points/payload?wait=true"), change_text(ids, payload)}, read_sequence);
}

index::Sequence RemoteCollection::overwrite_payload(std::span<const index::PointId> ids, std::string_view payload) {
  return ask(*channel_, {"PUT", path("/points/payload?wait=true"), change_text(ids, payload)}, read_sequence);
}

index::Sequence RemoteCollection::clear_payload(std::span<const index::PointId> ids) {
  return ask(*channel_, {"POST", path("/points/payload/clear?wait=true"), "{\"points\":" + ids_text(ids) + "}"},
             read_sequence);
}

index::QueryResult RemoteCollection::search(std::span<const float> query, const index::SearchOptions& options) const {
  return ask(*channel_, {"POST", path("/points/query"), search_text(query, options, channel_->options().vectors)},
             [&](const json& result) { return read_query_result(result, options_.metric); });
}

std::vector<index::QueryResult> RemoteCollection::search_batch(std::span<const float> queries, std::size_t count,
                                                               const index::SearchOptions& options) const {
  if (count == 0) return {};
  const std::size_t length = row_length(queries, count);
  std::string body = "{\"searches\":[";
  for (std::size_t i = 0; i < count; ++i)
    body += (i ? "," : "") + search_text(queries.subspan(i * length, length), options, channel_->options().vectors);
  return ask(*channel_, {"POST", path("/points/query/batch"), body + "]}"}, [&](const json& result) {
    std::vector<index::QueryResult> out;
    for (const json& one : result) out.push_back(read_query_result(one, options_.metric));
    return out;
  });
}

std::optional<index::Record> RemoteCollection::get(const index::PointId& id, bool with_vector,
                                                   bool with_payload) const {
  return ask(*channel_,
             {"POST", path("/points"), "{\"ids\":" + ids_text({&id, 1}) + flags_text(with_vector, with_payload) + "}"},
             [&](const json& result) -> std::optional<index::Record> {
               if (result.empty()) return std::nullopt;
               return read_record(result.at(0));
             });
}

std::vector<index::Record> RemoteCollection::scroll(const std::optional<index::PointId>& first, std::size_t limit,
                                                    bool with_vector, bool with_payload) const {
  if (limit == 0) return {};
  std::string body = "{\"limit\":" + std::to_string(limit) + flags_text(with_vector, with_payload);
  if (first) {
    body += ",\"offset\":";
    server::append_id(body, *first);
  }
  return ask(*channel_, {"POST", path("/points/scroll"), body + "}"}, [&](const json& result) {
    std::vector<index::Record> out;
    for (const json& point : result.at("points")) out.push_back(read_record(point));
    return out;
  });
}

std::uint64_t RemoteCollection::count() const {
  return ask(*channel_, {"POST", path("/points/count"), "{\"exact\":true}"},
             [&](const json& result) { return result.at("count").get<std::uint64_t>(); });
}

index::CollectionInfo RemoteCollection::info() const {
  return ask(*channel_, {"GET", path(), ""}, [&](const json& result) { return read_info(result); });
}

std::vector<index::LookupResult> RemoteCollection::lookup(std::span<const float> queries, std::size_t count,
                                                          const index::LookupOptions& options) const {
  if (count == 0) return {};
  std::string body = "{\"queries\":";
  append_query_vectors(body, queries, count, channel_->options().vectors);
  body += lookup_options_text(options) + "}";
  return ask(*channel_, {"POST", path("/knnlm/lookup"), std::move(body)}, read_distributions);
}

index::BuildReport RemoteCollection::build() {
  return ask(*channel_, {"POST", path("/knnlm/build"), "{}"}, [](const json& result) {
    index::BuildReport report;
    report.kind = "built";
    report.rows = result.at("rows").get<std::uint64_t>();
    report.seconds = result.at("seconds").get<double>();
    return report;
  });
}

}  // namespace nestor::client
