#include "client/cpp/remote_collection.h"

#include "client/cpp/answer_reader.h"
#include "client/cpp/channel.h"
#include "client/cpp/request_text.h"
#include "index/error.h"
#include "server/json_writer.h"

namespace nestor::client {
namespace {

using index::Error;
using index::ErrorCode;
using nlohmann::json;

// Answers of a server of another kind or version: the library's own words for what is missing are no help to a user.
template <typename Read>
auto understood(const Read& read) {
  try {
    return read();
  } catch (const json::exception& error) {
    throw Error(ErrorCode::internal, std::string("the server's answer is not understood: ") + error.what());
  }
}

void check_rows(std::span<const float> queries, std::size_t count) {
  if (count == 0 || queries.size() % count != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(queries.size()) + " query values do not make " +
                                                 std::to_string(count) + " vectors of one length");
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
  const json result =
      channel_->call({"PUT", path("/points?wait=true"), upsert_text(points, channel_->options().vectors)});
  return understood([&] { return read_sequence(result); });
}

index::Sequence RemoteCollection::erase(std::span<const index::PointId> ids) {
  const json result = channel_->call({"POST", path("/points/delete?wait=true"), "{\"points\":" + ids_text(ids) + "}"});
  return understood([&] { return read_sequence(result); });
}

index::Sequence RemoteCollection::set_payload(std::span<const index::PointId> ids, std::string_view payload) {
  const json result = channel_->call({"POST", path("/points/payload?wait=true"),
                                      "{\"payload\":" + std::string(payload) + ",\"points\":" + ids_text(ids) + "}"});
  return understood([&] { return read_sequence(result); });
}

index::Sequence RemoteCollection::overwrite_payload(std::span<const index::PointId> ids, std::string_view payload) {
  const json result = channel_->call({"PUT", path("/points/payload?wait=true"),
                                      "{\"payload\":" + std::string(payload) + ",\"points\":" + ids_text(ids) + "}"});
  return understood([&] { return read_sequence(result); });
}

index::Sequence RemoteCollection::clear_payload(std::span<const index::PointId> ids) {
  const json result =
      channel_->call({"POST", path("/points/payload/clear?wait=true"), "{\"points\":" + ids_text(ids) + "}"});
  return understood([&] { return read_sequence(result); });
}

index::QueryResult RemoteCollection::search(std::span<const float> query, const index::SearchOptions& options) const {
  const json result =
      channel_->call({"POST", path("/points/query"), search_text(query, options, channel_->options().vectors)});
  return understood([&] { return read_query_result(result, options_.metric); });
}

std::vector<index::QueryResult> RemoteCollection::search_batch(std::span<const float> queries, std::size_t count,
                                                               const index::SearchOptions& options) const {
  if (count == 0) return {};
  check_rows(queries, count);
  const std::size_t length = queries.size() / count;
  std::string body = "{\"searches\":[";
  for (std::size_t i = 0; i < count; ++i)
    body += (i ? "," : "") + search_text(queries.subspan(i * length, length), options, channel_->options().vectors);
  const json result = channel_->call({"POST", path("/points/query/batch"), body + "]}"});
  return understood([&] {
    std::vector<index::QueryResult> out;
    for (const json& one : result) out.push_back(read_query_result(one, options_.metric));
    return out;
  });
}

std::optional<index::Record> RemoteCollection::get(const index::PointId& id, bool with_vector,
                                                   bool with_payload) const {
  const json result = channel_->call(
      {"POST", path("/points"), "{\"ids\":" + ids_text({&id, 1}) + flags_text(with_vector, with_payload) + "}"});
  return understood([&]() -> std::optional<index::Record> {
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
  const json result = channel_->call({"POST", path("/points/scroll"), body + "}"});
  return understood([&] {
    std::vector<index::Record> out;
    for (const json& point : result.at("points")) out.push_back(read_record(point));
    return out;
  });
}

std::uint64_t RemoteCollection::count() const {
  const json result = channel_->call({"POST", path("/points/count"), "{\"exact\":true}"});
  return understood([&] { return result.at("count").get<std::uint64_t>(); });
}

index::CollectionInfo RemoteCollection::info() const {
  const json result = channel_->call({"GET", path(), ""});
  return understood([&] { return read_info(result); });
}

std::vector<index::LookupResult> RemoteCollection::lookup(std::span<const float> queries, std::size_t count,
                                                          const index::LookupOptions& options) const {
  if (count == 0) return {};
  check_rows(queries, count);
  const std::size_t length = queries.size() / count;
  std::string body = "{\"queries\":[";
  for (std::size_t i = 0; i < count; ++i) {
    if (i) body += ',';
    append_query_vector(body, queries.subspan(i * length, length), channel_->options().vectors);
  }
  body += "],\"k\":" + std::to_string(options.search.k) + ",\"temperature\":";
  server::append_double(body, options.temperature);
  body += ",\"top\":" + std::to_string(options.top) + params_text(options.search) + "}";
  const json result = channel_->call({"POST", path("/knnlm/lookup"), std::move(body)});
  return understood([&] {
    std::vector<index::LookupResult> out;
    for (const json& one : result.at("distributions")) out.push_back(read_distribution(one));
    return out;
  });
}

}  // namespace nestor::client
