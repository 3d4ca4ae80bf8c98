#pragma once
// Collections by name, with what the dialect keeps beside each of them read only once.

#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "server/schema.h"
#include "server/selection_cache.h"
#include "storage/database.h"

namespace nestor::server {

struct OpenCollection {
  std::shared_ptr<index::Collection> collection;
  std::shared_ptr<const Schema> schema;
  std::shared_ptr<storage::PayloadIndexes> indexes;
  std::shared_ptr<SelectionCache> selections;

  index::Collection* operator->() const { return collection.get(); }
};

// Thread-safe.
class Catalog {
 public:
  explicit Catalog(storage::Database& database) : database_(database) {}

  // Throws Error not_found "Collection `NAME` doesn't exist!", data_loss for one that could not be opened.
  OpenCollection open(const std::string& name);
  bool contains(const std::string& name) const { return database_.contains(name); }

 private:
  // Valid while the collection is the one that the database knows by this name.
  struct Entry {
    std::weak_ptr<index::Collection> collection;
    std::shared_ptr<const Schema> schema;
    std::weak_ptr<storage::PayloadIndexes> indexes;  // weak: the store goes when its collection does
    std::shared_ptr<SelectionCache> selections;
  };

  std::shared_ptr<index::Collection> find(const std::string& name) const;

  storage::Database& database_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace nestor::server
