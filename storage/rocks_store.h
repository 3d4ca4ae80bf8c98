#pragma once
// The rows of one collection in one RocksDB. Bytes: record_codec.h and vector_codec.h.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "index/options.h"
#include "index/record_store.h"
#include "storage/payload_index.h"

namespace nestor::storage {

struct BatchContext;

// Memory that all collections of a process share.
struct StoreMemory {
  std::size_t block_cache_bytes = std::size_t{64} << 20;
  // Rows not yet in a sorted file; above it RocksDB flushes early. Bounds start-up time too: they are replayed from the
  // log.
  std::size_t write_buffer_bytes = std::size_t{256} << 20;
  index::Residency residency = index::Residency::all_codes;  // of generations
};

struct StoreResources;  // opaque: RocksDB's cache and write buffers
std::shared_ptr<StoreResources> make_store_resources(const StoreMemory& memory = {});

// Thread-safe as RecordStore says: readers never wait for the writer, writers are serialised inside.
//
// write(): one RocksDB WriteBatch in the log. sync() (every_write): one thread syncs the log for all that wait; interval:
// a thread of the store's own syncs it every kSyncInterval and at closing. An operation whose sequence is not above state().sequence
// has been applied before and is skipped. Inside one operation upserts come first, then erases, then payload changes.
// A payload change replaces payload and value both, and becomes the row's version.
// Throws invalid_argument when the operation contradicts itself (a vector of another length, a slot that is not below
// next_slot) and resource_exhausted when it is larger than kMaxOperationBytes; nothing is written then.
class RocksStore final : public index::RecordStore, public PayloadIndexes {
 public:
  static constexpr std::size_t kMaxOperationBytes = std::size_t{1} << 30;
  static constexpr std::chrono::milliseconds kSyncInterval{1000};

  // Makes a new, empty store and closes it again; durable on return. `directory` must not exist or be empty, its parent
  // must exist. `attributes` is any text, kept beside the options. Throws Error.
  static void create(const std::filesystem::path& directory, const index::CollectionOptions& options,
                     const std::string& attributes, const std::shared_ptr<StoreResources>& resources);
  // unknown: a sync of the log may have failed before this process began, and the kernel would not tell again. What was
  // recovered from it is written into synced files before the first write is acknowledged, so that nothing durable stands
  // behind something that may not be; opening does not wait for that. new_and_synced: create() has just made it.
  enum class Log { unknown, new_and_synced };
  // Throws Error: not_found (no such directory), data_loss (damaged), failed_precondition (open elsewhere, or written
  // by a newer Nestor), permission_denied.
  static std::shared_ptr<RocksStore> open(const std::filesystem::path& directory,
                                          const std::shared_ptr<StoreResources>& resources,
                                          Log log = Log::unknown);
  ~RocksStore() override;

  // The state of a store that is open nowhere.
  static index::StoreState read_state(const std::filesystem::path& directory);
  // A copy as of one moment in a new directory, openable as a store of its own: hard links on the same file system.
  // Writes go on meanwhile. Throws Error.
  void checkpoint(const std::filesystem::path& directory) const;
  // For a store that is being filled as another one's successor, by one thread, before anybody else sees it: rows with
  // the slots and versions they come with (without a vector: header and payload only), and rows that died since. Not
  // durable, and not counted, before seal(), which sets the state.
  void put(std::span<const index::StoredRow> rows);
  void bury(std::span<const index::Slot> slots);
  void seal(const index::StoreState& state);

  // A successor's payload indexes: at its start, before the first row; and at its end, when the last row is in and the
  // other store has refused further changes. What it has missed in between stays unfinished until use_payload_terms().
  void inherit_indexes(const RocksStore& from, const MakeTermExtractor& make);
  void follow_indexes(const RocksStore& from);

  // Writes and changes of payload indexes throw failed_precondition with this reason from now on; empty: no more.
  void refuse_writes(const std::string& reason);

  // The directory goes when this object does.
  void remove_when_closed();

  const index::CollectionOptions& options() const;  // validated
  std::string attributes() const;
  void write_attributes(const std::string& attributes);  // durable on return

  // Who makes terms from now on. Indexes that are not complete are filled again. Without this, writes go through and
  // leave every index incomplete.
  void use_payload_terms(const MakeTermExtractor& make);
  void create_index(const std::string& field, const std::string& definition) override;
  bool drop_index(const std::string& field) override;
  std::vector<PayloadIndex> payload_indexes() const override;
  std::shared_ptr<const TermReader> read_terms() const override;

  void write(const index::WriteOperation& operation) override;
  void sync(index::Sequence sequence) override;
  std::string write_trouble() const override;
  index::StoreState state() const override;
  void find(std::span<const index::PointId> ids, std::span<index::Slot> out) const override;
  std::optional<index::RowHeader> header(index::Slot slot) const override;
  bool read_vector(index::Slot slot, std::span<float> out) const override;
  std::string read_payload(index::Slot slot) const override;
  void for_each_header(index::Slot first, const std::function<bool(const index::RowHeader&)>& visit) const override;
  void for_each_payload(
      index::Slot first,
      const std::function<bool(const index::RowHeader&, std::string_view payload)>& visit) const override;
  void for_each_vector(index::Slot first, index::Slot last, std::uint32_t width,
                       const std::function<bool(index::Slot, std::span<const float>)>& visit) const override;
  void for_each_dead(const std::function<void(index::Slot)>& visit) const override;
  std::vector<std::pair<index::PointId, index::Slot>> list(const std::optional<index::PointId>& first,
                                                           std::size_t limit) const override;
  void write_certificates(const std::vector<index::Certificate>& certificates) override;
  std::vector<index::Certificate> read_certificates() const override;
  void write_tuned_policy(const std::optional<index::TunedPolicy>& tuned) override;
  std::optional<index::TunedPolicy> read_tuned_policy() const override;
  // Which widths get a graph and what walks compare; takes effect when the store is opened again.
  void write_graphs(const std::vector<std::uint32_t>& graphs, index::WalkCodes walk_codes);

 private:
  struct Impl;
  explicit RocksStore(std::unique_ptr<Impl> impl);
  BatchContext batch_context(const index::StoreState& before, const TermExtractor* terms) const;

  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::storage
