#include "client/cpp/remote_database.h"

#include <algorithm>

#include "client/cpp/answer_reader.h"
#include "client/cpp/ask.h"

namespace nestor::client {
namespace {

using nlohmann::json;

std::string creation_text(const index::CollectionOptions& given) {
  const index::CollectionOptions options = given.validated();
  const char* const distance = options.metric == index::Metric::l2    ? "Euclid"
                               : options.metric == index::Metric::dot ? "Dot"
                                                                      : "Cosine";
  const json vectors = {
      {"size", options.dim},
      {"distance", distance},
      {"datatype", index::to_string(options.scalar_type)},
      {"matryoshka",
       {{"widths", options.widths},
        {"graphs", options.graphs},
        {"rotation", index::to_string(options.rotation)},
        {"walk_codes", index::to_string(options.walk_codes)}}}};
  return json{{"vectors", vectors},
              {"hnsw_config", {{"m", options.graph.max_links}, {"ef_construct", options.graph.candidates_at_build}}}}
      .dump();
}

std::string path_of(const std::string& name) { return "/collections/" + percent_encode(name); }

}  // namespace

struct RemoteDatabase::Impl {
  std::shared_ptr<Channel> channel;
};

RemoteDatabase::RemoteDatabase() : impl_(std::make_unique<Impl>()) {}
RemoteDatabase::~RemoteDatabase() = default;

std::unique_ptr<RemoteDatabase> RemoteDatabase::open(RemoteOptions options) {
  std::unique_ptr<RemoteDatabase> database(new RemoteDatabase);
  database->impl_->channel = std::make_shared<Channel>(std::move(options));
  return database;
}

std::vector<std::string> RemoteDatabase::collection_names() const {
  const json result = impl_->channel->call({"GET", "/collections", ""});
  std::vector<std::string> names;
  for (const json& item : result.value("collections", json::array())) names.push_back(item.value("name", ""));
  std::sort(names.begin(), names.end());
  return names;
}

bool RemoteDatabase::contains(const std::string& name) const {
  return impl_->channel->call({"GET", path_of(name) + "/exists", ""}).value("exists", false);
}

std::shared_ptr<RemoteCollection> RemoteDatabase::create_collection(const std::string& name,
                                                                    const index::CollectionOptions& options) {
  impl_->channel->call({"PUT", path_of(name), creation_text(options), Repeat::never});
  return collection(name);
}

std::shared_ptr<RemoteCollection> RemoteDatabase::collection(const std::string& name) const {
  return ask(*impl_->channel, {"GET", path_of(name), ""}, [&](const json& result) {
    return std::make_shared<RemoteCollection>(impl_->channel, name, read_info(result).options);
  });
}

bool RemoteDatabase::delete_collection(const std::string& name) {
  const json result = impl_->channel->call({"DELETE", path_of(name), "", Repeat::never});
  return result.is_boolean() && result.get<bool>();
}

}  // namespace nestor::client
