#pragma once
// Turns one WriteOperation into the one RocksDB batch that makes it durable.

#include <functional>
#include <optional>
#include <span>

#include "index/record_store.h"
#include "storage/payload_index.h"
#include "storage/vector_codec.h"

namespace rocksdb {
class ColumnFamilyHandle;
class WriteBatch;
}  // namespace rocksdb

namespace nestor::storage {

// What the builder needs to know about the store it writes for.
struct BatchContext {
  std::span<rocksdb::ColumnFamilyHandle* const> families;
  const VectorCodec& codec;
  index::StoreState before;
  std::function<std::optional<index::RowHeader>(index::Slot)> stored_header;
  std::function<std::string(index::Slot)> stored_payload;
  const TermExtractor* terms = nullptr;  // null: no payload indexes to keep
};

// Upper estimate of the batch, in bytes.
std::size_t estimated_batch_bytes(const index::WriteOperation& operation, const VectorCodec& codec);

// Appends the whole operation, the state record last, and returns the state after it. Later entries of a batch win,
// so a point that occurs twice in an operation ends as its last version.
// Throws Error invalid_argument when the operation contradicts itself or the store.
index::StoreState append_operation(const index::WriteOperation& operation, const BatchContext& context,
                                   rocksdb::WriteBatch& batch);

// Of a store that is filled as a successor. A row as it comes, found under its id from now on; without a vector only
// its header and payload.
void append_row(const index::StoredRow& row, const BatchContext& context, rocksdb::WriteBatch& batch);
// A row's death; `found` says that its id still leads to it.
void append_burial(const index::RowHeader& row, bool found, const BatchContext& context, rocksdb::WriteBatch& batch);

}  // namespace nestor::storage
