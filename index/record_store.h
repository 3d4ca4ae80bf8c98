#pragma once
// The ports that index/ needs from storage/: durable records and published generations.
// storage::RocksStore and storage::GenerationDirectory implement them; tests use in-memory twins.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "index/certificate.h"
#include "index/tuned_policy.h"
#include "index/types.h"

namespace nestor::index {

// One change of one point, ready to be stored: everything that can fail has been checked.
struct UpsertRecord {
  PointId id;
  Slot slot = kNoSlot;                 // new slot of this version of the point
  Slot replaced = kNoSlot;             // slot of the previous version, dead from now on
  std::span<const float> vector;       // dim values, already rounded to the scalar type, normalised if cosine
  std::string_view payload;            // JSON object text, empty: none
  std::optional<std::uint32_t> value;  // kNN-LM: the token that followed this key
};

struct EraseRecord {
  PointId id;
  Slot slot = kNoSlot;
};

// A payload-only change: the slot keeps its vector.
struct PayloadRecord {
  Slot slot = kNoSlot;
  std::string_view payload;
  std::optional<std::uint32_t> value;
};

// One operation. Applying the same operation twice leaves the same state.
struct WriteOperation {
  Sequence sequence = 0;
  Slot next_slot = 0;  // first slot not used after this operation
  std::vector<UpsertRecord> upserts;
  std::vector<EraseRecord> erases;
  std::vector<PayloadRecord> payloads;
};

// What a stored row is, without its vector and payload.
struct RowHeader {
  Slot slot = kNoSlot;
  PointId id;
  Sequence version = 0;  // sequence of the operation that wrote it
  std::optional<std::uint32_t> value;
};

struct StoreState {
  Sequence sequence = 0;     // last applied operation
  Slot next_slot = 0;        // slots 0..next_slot-1 have been used
  std::uint64_t points = 0;  // live points
};

// Durable rows of one collection. Thread-safe: any number of readers beside one writer.
// Every member throws Error (data_loss, resource_exhausted, permission_denied, internal) on I/O trouble.
class RecordStore {
 public:
  virtual ~RecordStore() = default;

  // Which numbering of rows its slots are of: another one for each store of this process.
  std::uint64_t numbering() const { return numbering_; }

  // Applies one operation atomically (one RocksDB WriteBatch), behind all before it. Readers see it on return, and it
  // survives the end of this process; for a power cut see sync().
  virtual void write(const WriteOperation& operation) = 0;
  // Returns when every operation up to `sequence` is as durable as the collection's SyncPolicy wants. Any number of
  // threads: those that wait together share one sync. A throw leaves it unknown which of them are.
  virtual void sync(Sequence sequence) = 0;

  // Why it takes no writes at the moment (a full disk, for instance); empty: it takes them. It recovers by itself.
  virtual std::string write_trouble() const { return {}; }

  virtual StoreState state() const = 0;
  // Slots of live points, kNoSlot where the id is unknown. out.size() == ids.size().
  virtual void find(std::span<const PointId> ids, std::span<Slot> out) const = 0;
  virtual std::optional<RowHeader> header(Slot slot) const = 0;
  // First out.size() coordinates of a live row. False: no such row.
  virtual bool read_vector(Slot slot, std::span<float> out) const = 0;
  // JSON object text; empty string when the row has none or does not exist.
  virtual std::string read_payload(Slot slot) const = 0;

  // Live rows in slot order, slot >= first. Stops when the visitor returns false.
  virtual void for_each_header(Slot first, const std::function<bool(const RowHeader&)>& visit) const = 0;
  // The same with each row's payload, as of one moment: JSON object text, empty where there is none, valid during the
  // call.
  virtual void for_each_payload(Slot first,
                                const std::function<bool(const RowHeader&, std::string_view payload)>& visit) const = 0;
  // Live rows' first `width` coordinates in slot order, first <= slot < last.
  virtual void for_each_vector(Slot first, Slot last, std::uint32_t width,
                               const std::function<bool(Slot, std::span<const float>)>& visit) const = 0;
  // Slots that died and are still numbered (until compaction), ascending.
  virtual void for_each_dead(const std::function<void(Slot)>& visit) const = 0;
  // Live ids >= first in PointId order, at most limit.
  virtual std::vector<std::pair<PointId, Slot>> list(const std::optional<PointId>& first, std::size_t limit) const = 0;

  // The collection's certificates, all at once; durable on return. Like a generation they are a measurement of this
  // copy of the rows and no change of them: they have no sequence number. A store that keeps none: reads none, refuses
  // to write.
  virtual void write_certificates(const std::vector<Certificate>& certificates);
  virtual std::vector<Certificate> read_certificates() const { return {}; }
  // Likewise the default depth that tuning chose; nullopt: none.
  virtual void write_tuned_policy(const std::optional<TunedPolicy>& tuned);
  virtual std::optional<TunedPolicy> read_tuned_policy() const { return std::nullopt; }

 private:
  static std::uint64_t next_numbering();
  const std::uint64_t numbering_ = next_numbering();
};

class GenerationStore;

// A row as it stands in a store.
struct StoredRow {
  RowHeader header;
  std::span<const float> vector;  // dim values; empty: the vector that is there stays
  std::string_view payload;
};

// A second, empty store with generations of its own that may take the place of the first: what compaction fills.
// Destroyed before take_over() it leaves no trace. One thread at a time. Members throw Error.
class StoreSuccessor {
 public:
  virtual ~StoreSuccessor() = default;

  virtual std::shared_ptr<RecordStore> records() = 0;
  virtual std::shared_ptr<GenerationStore> generations() = 0;

  // Rows with their versions and slots; not durable before seal().
  virtual void put(std::span<const StoredRow> rows) = 0;
  // Rows put before that died since.
  virtual void bury(std::span<const Slot> slots) = 0;
  // Makes everything durable, as of this state.
  virtual void seal(const StoreState& state) = 0;
  // Puts this store in force instead of the first, durably, in one step; the first one's files go when the last user
  // of it lets go. Throws failed_precondition when the first is not in force any more (the collection was deleted or
  // replaced), and after any throw the first one stays in force.
  virtual void take_over() = 0;
  // After take_over(), while searches and writes go on already: what need not hold them up.
  virtual void finish() {}
};
using StoreSuccession = std::function<std::unique_ptr<StoreSuccessor>()>;

// A named block of bytes of a generation, 64-byte aligned in memory and on disk.
struct Section {
  std::string name;
  std::span<const std::byte> bytes;
};

// A generation read back: sections stay valid while `owner` lives (it holds the mapping).
// What of a generation is copied to memory when it is opened. The rest is read where the file is mapped: its pages come
// and go as the machine has room.
enum class Residency {
  all_codes,   // links and all codes
  walk_codes,  // links and what walks read; candidates cost a page of the file each where it is not cached
};

struct LoadedSections {
  Sequence sequence = 0;  // operations up to here are inside
  std::vector<Section> sections;
  std::shared_ptr<const void> owner;
  std::uint64_t fingerprint = 0;  // of the sections' bytes: other bytes, another number
  Residency residency = Residency::all_codes;
};

// Where a collection's generations live. Not thread-safe: the composer calls it from one thread at a time.
class GenerationStore {
 public:
  virtual ~GenerationStore() = default;
  // Writes, syncs and atomically publishes; older generations are removed afterwards.
  // Throws Error; after a throw the previous generation is still in force.
  virtual void publish(Sequence sequence, const std::vector<Section>& sections) = 0;
  // Newest generation whose checksums hold; nullopt: none (damage is logged through `on_damage`).
  virtual std::optional<LoadedSections> load_newest(const std::function<void(const std::string&)>& on_damage) = 0;
};

}  // namespace nestor::index
