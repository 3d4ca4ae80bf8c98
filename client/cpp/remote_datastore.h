#pragma once
// A collection of a server used as a kNN-LM datastore: the operations of storage::Datastore.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "client/cpp/remote_collection.h"
#include "storage/datastore.h"

namespace nestor::client {

// Thread-safe. The server takes as many queries in one call as its limits say (4,096 by default).
// DatastoreQuery::threads is the server's own affair.
class RemoteDatastore {
 public:
  explicit RemoteDatastore(std::shared_ptr<RemoteCollection> collection) : collection_(std::move(collection)) {}

  RemoteCollection& collection() const { return *collection_; }

  // Never sent twice: a broken connection leaves open whether the rows were written, and throws unavailable.
  std::uint64_t append(const storage::DatastoreRows& rows);

  std::vector<index::LookupResult> lookup(std::span<const float> queries, std::size_t count,
                                          const storage::DatastoreQuery& query) const;
  std::vector<index::TokenScore> score(std::span<const float> queries, std::size_t count,
                                       const index::ScoreTargets& targets, const storage::DatastoreQuery& query) const;
  // Hits have no slot and no version.
  std::vector<index::QueryResult> search(std::span<const float> queries, std::size_t count,
                                         const storage::DatastoreQuery& query) const;

  // From queries [count x dim] to ids [count x n]; smaller is nearer, infinite where there is no such row.
  std::vector<float> distances(std::span<const float> queries, std::size_t count,
                               std::span<const index::PointId> ids) const;
  std::vector<float> get_vectors(std::span<const index::PointId> ids) const;  // [ids x dim]
  std::vector<std::optional<index::PointId>> next_ids(std::span<const index::PointId> ids) const;

 private:
  template <typename Read>
  auto ask_about(const char* name, std::span<const float> queries, std::size_t count, const std::string& more,
                 const Read& read) const;

  std::shared_ptr<RemoteCollection> collection_;
};

}  // namespace nestor::client
