#include "storage/term_index.h"

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <span>

#include "index/error.h"
#include "storage/byte_order.h"
#include "storage/checksum.h"
#include "storage/record_codec.h"
#include "storage/rocks_error.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;
using index::Slot;

constexpr std::uint32_t kLayout = 1;
constexpr std::size_t kNumberBytes = 4, kSlotBytes = 4;

std::uint64_t digest(std::string_view bytes) { return checksum(std::as_bytes(std::span(bytes))); }

void append_text(std::string& out, std::string_view text) {
  append_little(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

void append_big(std::string& out, std::uint32_t value) {
  char bytes[4];
  store_big(bytes, value);
  out.append(bytes, sizeof bytes);
}

std::string term_key(std::uint32_t number, std::string_view term) {
  std::string key;
  append_big(key, number);
  key += term;
  return key;
}

class RocksTermReader final : public TermReader {
 public:
  RocksTermReader(TermSource source, std::shared_ptr<const TermState> state)
      : source_(std::move(source)), state_(std::move(state)), snapshot_(&source_.db) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_.snapshot();
    std::string bytes;
    check(source_.db.Get(options, source_.meta, rocksdb::Slice(kStateKey.data(), kStateKey.size()), &bytes),
          "read the state");
    next_slot_ = decode_state(bytes).next_slot;
  }

  const std::vector<PayloadIndex>& indexes() const override { return state_->indexes; }
  Slot next_slot() const override { return next_slot_; }
  std::uint64_t numbering() const override { return source_.numbering; }

  void scan(std::uint32_t number, std::string_view first, std::string_view last,
            const std::function<bool(std::string_view, Slot)>& visit) const override {
    const std::string begin = term_key(number, first);
    const std::string end = last.empty() ? term_key(number + 1, {}) : term_key(number, last);
    const rocksdb::Slice upper(end);
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_.snapshot();
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> entries(source_.db.NewIterator(options, source_.terms));
    for (entries->Seek(begin); entries->Valid(); entries->Next()) {
      const rocksdb::Slice key = entries->key();
      if (key.size() < kNumberBytes + kSlotBytes)
        throw Error(ErrorCode::data_loss, "a payload index holds a key of " + std::to_string(key.size()) + " bytes");
      const std::string_view term(key.data() + kNumberBytes, key.size() - kNumberBytes - kSlotBytes);
      if (!visit(term, load_big<std::uint32_t>(key.data() + key.size() - kSlotBytes))) return;
    }
    check(entries->status(), "read a payload index");
  }

 private:
  TermSource source_;
  std::shared_ptr<const TermState> state_;
  mutable rocksdb::ManagedSnapshot snapshot_;  // its getter is not const
  Slot next_slot_ = 0;
};

}  // namespace

const PayloadIndex* TermState::find(std::string_view field) const {
  const auto found =
      std::find_if(indexes.begin(), indexes.end(), [&](const PayloadIndex& each) { return each.field == field; });
  return found == indexes.end() ? nullptr : &*found;
}

std::string encode_indexes(const TermState& state) {
  std::string out;
  append_little(out, kLayout);
  append_little(out, state.next_number);
  append_little(out, static_cast<std::uint32_t>(state.indexes.size()));
  for (const PayloadIndex& each : state.indexes) {
    append_little(out, each.number);
    append_little(out, static_cast<std::uint8_t>(each.complete));
    append_text(out, each.field);
    append_text(out, each.definition);
  }
  append_little(out, digest(out));
  return out;
}

TermState decode_indexes(std::string_view bytes) {
  ByteReader reader(bytes, "the record of payload indexes");
  if (const auto layout = reader.little<std::uint32_t>(); layout != kLayout)
    throw Error(ErrorCode::failed_precondition,
                "the payload indexes have layout " + std::to_string(layout) + ", made by a newer Nestor");
  TermState state;
  state.next_number = reader.little<std::uint32_t>();
  const auto count = reader.little<std::uint32_t>();
  for (std::uint32_t i = 0; i < count; ++i) {
    PayloadIndex each;
    each.number = reader.little<std::uint32_t>();
    each.complete = reader.little<std::uint8_t>() != 0;
    each.field = reader.take(reader.little<std::uint32_t>());
    each.definition = reader.take(reader.little<std::uint32_t>());
    state.indexes.push_back(std::move(each));
  }
  const auto stored = reader.little<std::uint64_t>();
  reader.expect_end();
  if (stored != digest(bytes.substr(0, bytes.size() - sizeof stored)))
    throw Error(ErrorCode::data_loss, "the record of payload indexes does not match its checksum");
  return state;
}

void TermWriter::put(Slot slot, std::string_view payload, std::optional<std::uint32_t> value) {
  extractor_.extract(payload, value, [&](std::uint32_t number, std::string_view term) {
    std::string key = term_key(number, term);
    append_big(key, slot);
    check(batch_.Put(terms_, key, rocksdb::Slice()), "fill a write batch");
  });
}

void TermWriter::remove(Slot slot, std::string_view payload, std::optional<std::uint32_t> value) {
  extractor_.extract(payload, value, [&](std::uint32_t number, std::string_view term) {
    std::string key = term_key(number, term);
    append_big(key, slot);
    check(batch_.Delete(terms_, key), "fill a write batch");
  });
}

void remove_all_terms(std::uint32_t number, rocksdb::ColumnFamilyHandle* terms, rocksdb::WriteBatch& batch) {
  check(batch.DeleteRange(terms, term_key(number, {}), term_key(number + 1, {})), "fill a write batch");
}

std::shared_ptr<const TermReader> read_terms(TermSource source, std::shared_ptr<const TermState> state) {
  return std::make_shared<const RocksTermReader>(std::move(source), std::move(state));
}

}  // namespace nestor::storage
