#include "server/catalog.h"

#include <mutex>

#include "server/collection_info.h"

namespace nestor::server {

std::shared_ptr<index::Collection> Catalog::find(const std::string& name) const {
  try {
    return database_.collection(name);
  } catch (const index::Error& error) {
    if (error.code() != index::ErrorCode::not_found) throw;
    for (const auto& damaged : database_.damaged())
      if (damaged.name == name)
        throw index::Error(index::ErrorCode::data_loss,
                           "Collection `" + name + "` could not be opened: " + damaged.reason);
    throw index::Error(index::ErrorCode::not_found, "Collection `" + name + "` doesn't exist!");
  }
}

OpenCollection Catalog::open(const std::string& name) {
  OpenCollection opened{find(name), nullptr, nullptr, nullptr};
  {
    std::shared_lock lock(mutex_);
    const auto entry = entries_.find(name);
    if (entry != entries_.end() && entry->second.collection.lock() == opened.collection) {
      opened.schema = entry->second.schema;
      opened.indexes = entry->second.indexes.lock();
      opened.selections = entry->second.selections;
      if (opened.indexes) return opened;
    }
  }
  opened.schema = std::make_shared<const Schema>(schema_from_attributes(database_.attributes(name)));
  opened.indexes = database_.payload_indexes(name);
  opened.selections = std::make_shared<SelectionCache>();
  std::unique_lock lock(mutex_);
  std::erase_if(entries_, [](const auto& entry) { return entry.second.collection.expired(); });
  entries_[name] = Entry{opened.collection, opened.schema, opened.indexes, opened.selections};
  return opened;
}

}  // namespace nestor::server
