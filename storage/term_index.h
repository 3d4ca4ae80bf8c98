#pragma once
// The bytes of payload indexes (payload_index.h), format version 1.
//
//   column family  key                                        value
//   default        "payload indexes"                          the definitions, below; absent while there are none
//   terms          u32 index number, term, u32 slot           nothing
//
// Definitions: u32 layout (1), u32 next number, u32 count and so often: u32 number, u8 complete, u32 length and bytes of
// the field, u32 length and bytes of the definition; at the end u64 XXH3 of everything before it.

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "storage/payload_index.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace nestor::storage {

inline constexpr std::string_view kPayloadIndexesKey = "payload indexes";

// Immutable; replaced as a whole.
struct TermState {
  std::vector<PayloadIndex> indexes;
  std::uint32_t next_number = 1;
  std::shared_ptr<const TermExtractor> extractor;  // null: nobody makes terms, or there are no indexes

  const PayloadIndex* find(std::string_view field) const;
};

std::string encode_indexes(const TermState& state);
TermState decode_indexes(std::string_view bytes);  // without the extractor. Throws Error data_loss

// Adds the changes of one operation's terms to its batch.
class TermWriter {
 public:
  TermWriter(const TermExtractor& extractor, rocksdb::ColumnFamilyHandle* terms, rocksdb::WriteBatch& batch)
      : extractor_(extractor), terms_(terms), batch_(batch) {}

  void put(index::Slot slot, std::string_view payload, std::optional<std::uint32_t> value);
  void remove(index::Slot slot, std::string_view payload, std::optional<std::uint32_t> value);

 private:
  const TermExtractor& extractor_;
  rocksdb::ColumnFamilyHandle* terms_;
  rocksdb::WriteBatch& batch_;
};

// Everything of one index.
void remove_all_terms(std::uint32_t number, rocksdb::ColumnFamilyHandle* terms, rocksdb::WriteBatch& batch);

struct TermSource {
  rocksdb::DB& db;
  rocksdb::ColumnFamilyHandle* meta;
  rocksdb::ColumnFamilyHandle* terms;
  std::uint64_t numbering;
  std::shared_lock<std::shared_mutex> in_use;  // of the database
};
// `state` must have been current at some moment before; the store must outlive the reader.
std::shared_ptr<const TermReader> read_terms(TermSource source, std::shared_ptr<const TermState> state);

}  // namespace nestor::storage
