#pragma once
// Inverted lists over payloads: which rows hold a term. They stand in RocksDB beside the rows and change in the same
// batch. Storage does not know what terms mean: whoever understands payloads makes them (server/payload_terms.h).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/types.h"

namespace nestor::storage {

struct PayloadIndex {
  std::uint32_t number = 0;  // of its terms; never used twice in a collection
  std::string field;
  std::string definition;    // opaque text
  bool complete = false;     // every live row is in it: false while it is filled, and after a write by a program that
                             // makes no terms
};

// Makes the terms of rows. Thread-safe.
class TermExtractor {
 public:
  using Sink = std::function<void(std::uint32_t number, std::string_view term)>;
  virtual ~TermExtractor() = default;
  // payload: JSON object text or empty; value: as in RowHeader. Terms of one index must not be prefixes of each other.
  // Depends on nothing but its arguments: the terms of a row that goes are made again to remove them.
  virtual void extract(std::string_view payload, std::optional<std::uint32_t> value, const Sink& sink) const = 0;
};
using MakeTermExtractor = std::function<std::shared_ptr<const TermExtractor>(const std::vector<PayloadIndex>&)>;

// The lists as of one moment.
class TermReader {
 public:
  virtual ~TermReader() = default;
  virtual const std::vector<PayloadIndex>& indexes() const = 0;
  virtual index::Slot next_slot() const = 0;  // rows of that moment are below it
  virtual std::uint64_t numbering() const = 0;  // that the slots are of, see index::RecordStore
  // (term, slot) with first <= term < last, ordered by bytes, then by slot; an empty `last`: to the end. Stops when the
  // visitor returns false. Throws Error.
  virtual void scan(std::uint32_t number, std::string_view first, std::string_view last,
                    const std::function<bool(std::string_view term, index::Slot slot)>& visit) const = 0;
};

// The indexes of one collection. Thread-safe; every member throws Error on I/O trouble.
class PayloadIndexes {
 public:
  virtual ~PayloadIndexes() = default;
  // Declares an index and fills it from the rows there are; durable on return. Replaces one of another definition, and
  // leaves one of the same as it is. Writes and searches go on meanwhile. Throws failed_precondition when nobody makes
  // terms (Database::use_payload_terms).
  virtual void create_index(const std::string& field, const std::string& definition) = 0;
  virtual bool drop_index(const std::string& field) = 0;  // false: there was none
  virtual std::vector<PayloadIndex> payload_indexes() const = 0;
  virtual std::shared_ptr<const TermReader> read_terms() const = 0;
};

}  // namespace nestor::storage
