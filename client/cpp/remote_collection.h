#pragma once
// One collection of a server: the operations of index::Collection.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/collection.h"
#include "index/knn_lm.h"

namespace nestor::client {

class Channel;
struct RemoteOptions;

// Thread-safe. Made by RemoteDatabase, may outlive it.
class RemoteCollection {
 public:
  RemoteCollection(std::shared_ptr<Channel> channel, std::string name, index::CollectionOptions options);

  const std::string& name() const { return name_; }
  const index::CollectionOptions& options() const { return options_; }

  // Durable and searchable on return. A point's value is sent as the payload field `token`, which its payload may have.
  index::Sequence upsert(std::span<const index::Point> points);
  index::Sequence erase(std::span<const index::PointId> ids);

  // In place of Collection::update_payloads, whose function cannot be sent: payload is JSON object text. Unlike there,
  // unknown ids are not_found.
  index::Sequence set_payload(std::span<const index::PointId> ids, std::string_view payload);
  index::Sequence overwrite_payload(std::span<const index::PointId> ids, std::string_view payload);
  index::Sequence clear_payload(std::span<const index::PointId> ids);

  // Hits have no slot and no value; distance follows from the score. Throws invalid_argument for what does not exist
  // outside of the process: allowed_slots, filter_name, entry_slots and policy.
  index::QueryResult search(std::span<const float> query, const index::SearchOptions& options) const;
  // queries [count x dim], row-major; the answers in order.
  std::vector<index::QueryResult> search_batch(std::span<const float> queries, std::size_t count,
                                               const index::SearchOptions& options) const;

  // Records have no version.
  std::optional<index::Record> get(const index::PointId& id, bool with_vector, bool with_payload) const;
  std::vector<index::Record> scroll(const std::optional<index::PointId>& first, std::size_t limit, bool with_vector,
                                    bool with_payload) const;
  std::uint64_t count() const;
  // options, points, indexed_points and building.
  index::CollectionInfo info() const;

  // Graphs anew from all points, while the server goes on. RemoteOptions::timeout must be as long as that takes; of the
  // report kind, rows and seconds are known.
  index::BuildReport build();

  // See index::lookup(); without columns, which RemoteDatastore has.
  std::vector<index::LookupResult> lookup(std::span<const float> queries, std::size_t count,
                                          const index::LookupOptions& options) const;

 private:
  friend class RemoteDatastore;
  std::string path(std::string_view rest = {}) const;

  std::shared_ptr<Channel> channel_;
  std::string name_;
  index::CollectionOptions options_;
};

// As index::lookup(Collection...), so that a program's call stays as it is.
inline std::vector<index::LookupResult> lookup(const RemoteCollection& collection, std::span<const float> queries,
                                               std::size_t count, const index::LookupOptions& options) {
  return collection.lookup(queries, count, options);
}

}  // namespace nestor::client
