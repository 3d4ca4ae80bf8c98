#pragma once
// Reads the vectors of a range of slots front to back: one iterator per band that the width needs.

#include <cstddef>
#include <functional>
#include <span>

#include "index/types.h"
#include "storage/vector_codec.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace nestor::storage {

struct BandScan {
  rocksdb::DB& db;
  rocksdb::ColumnFamilyHandle* bands;
  const VectorCodec& codec;
  index::Slot first = 0;
  index::Slot last = 0;   // one beyond
  std::size_t width = 0;  // 1..dim

  // Live rows in slot order, as of one moment: rows written meanwhile are not seen, rows erased meanwhile are.
  // Stops when the visitor returns false. Throws Error data_loss when a row lacks one of its bands.
  void run(const std::function<bool(index::Slot, std::span<const float>)>& visit) const;
};

}  // namespace nestor::storage
