#pragma once
// What a Collection is made of. Its members are defined by path: collection_writes.cpp, collection_search.cpp,
// collection_upkeep.cpp (opening, generations, compaction); collection.cpp holds the public class.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/certificate_book.h"
#include "index/collection.h"
#include "index/generation.h"
#include "index/generation_builder.h"
#include "index/row_migration.h"
#include "index/tail.h"
#include "index/view_search.h"

namespace nestor::index {

struct Collection::Impl {
  std::string name;
  CollectionOptions options;
  StoreSuccession succession;
  Log log;

  std::atomic<std::uint64_t> points{0};

  std::mutex write_mutex;  // writers, and the swap of views
  // Compaction replaces these; guarded by write_mutex. Readers take their view's.
  std::shared_ptr<RecordStore> records;
  std::shared_ptr<DeadSlots> dead = std::make_shared<DeadSlots>();
  std::optional<SlotChanges> changes;            // what is written while a compaction copies; guarded by write_mutex
  std::shared_ptr<GenerationStore> generations;  // guarded by build_mutex
  Sequence sequence = 0;                         // guarded by write_mutex
  Slot next_slot = 0;                            // guarded by write_mutex
  std::mutex build_mutex;                        // one build at a time
  std::atomic<bool> building{false};
  std::atomic<Sequence> last_sequence{0};
  std::atomic<Sequence> payload_sequence{0};
  std::atomic<std::uint64_t> compactions{0};  // since it was opened
  std::atomic<Slot> next_slot_now{0};         // next_slot, for readers

  // The lock is held to copy a pointer, never during a search, a write or a build. (libstdc++ 12's
  // atomic<shared_ptr> does the same with a spin lock that the thread sanitizer cannot follow.)
  mutable std::mutex view_mutex;
  std::shared_ptr<const View> view;

  // Writers that wait for the tail to become shorter.
  std::mutex room_mutex;
  std::condition_variable room;

  mutable std::atomic<int> unreadable_payloads{0};  // seen since it was opened

  // Those who change the book, over the write to the store; taken before write_mutex.
  std::mutex certificate_mutex;
  CertificateBook book;

  std::shared_ptr<const View> current() const {
    const std::lock_guard lock(view_mutex);
    return view;
  }
  void replace_view(View next);
  void say(const std::string& line) const {
    if (log) log("collection " + name + ": " + line);
  }

  // ---- collection_writes.cpp ----

  // What the rules look at and what they keep of the rows that are replaced.
  struct Before {
    std::optional<RowHeader> header;
    std::string payload;
  };
  // Points as they will be stored: checked, the last of each id.
  struct Prepared {
    std::vector<std::size_t> kept;  // their numbers in the input
    std::vector<PointId> ids;
    std::vector<std::optional<std::uint32_t>> values;
    std::vector<float> vectors;  // [kept x dim]
  };

  Sequence upsert(std::span<const Point> in, const UpsertRules& rules);
  Sequence erase(std::span<const PointId> ids);
  Sequence update_payloads(std::span<const PointId> ids, const PayloadChange& change);

  Prepared prepare(std::span<const Point> in) const;
  // A payload that was read; "null", with a line in the log, for one that older versions should not have stored.
  std::string readable_payload(const PointId& id, std::string stored) const;
  std::vector<Before> read_replaced(std::span<const Slot> replaced) const;  // REQUIRES write_mutex
  // Slows writers down while a build under way is outrun by them.
  void wait_for_room();
  // The one way in. All that may fail comes before the durable point: an operation that is stored but not counted
  // here would give its sequence number to the next one, which the store would then take for a repetition.
  // Waiting for the disk comes after the lock, so that writers which come together share one sync.
  Sequence commit(const WriteOperation& operation, std::unique_lock<std::mutex> lock);
  // Returns when all there is is durable: also for a write that found nothing to do, since what it saw may be newer
  // than the last sync.
  Sequence settle(std::unique_lock<std::mutex> lock);
  // Makes a written operation visible: new rows first, then the deaths, so that a reader never misses a point.
  void apply(const WriteOperation& operation);
  void bury(Slot slot);

  // ---- collection_search.cpp ----

  void search(std::span<const float> queries, std::size_t count, const SearchOptions& search,
              QueryResult* results) const;
  void search_to_target(const View& v, std::span<const float> queries, std::size_t count, const SearchOptions& search,
                        QueryResult* results) const;
  ServedState served(const View& v) const;
  PolicySpace space(const View& v, std::uint32_t k) const;
  std::vector<SampledRow> sample_rows(std::size_t count, std::uint64_t seed) const;

  void load_certificates();
  std::vector<Certificate> keep_certificates(std::vector<Certificate> fresh);
  std::size_t drop_certificates();
  bool withdraw_certificate(std::uint64_t id, const std::string& why);
  std::shared_ptr<const TunedPolicy> load_tuned_policy() const;
  void use_tuned_policy(const std::optional<TunedPolicy>& tuned);

  // ---- collection_upkeep.cpp ----

  void load();
  std::shared_ptr<const Generation> load_generation();
  std::shared_ptr<Tail> new_tail(const std::shared_ptr<const Generation>& generation) const;
  // Rows at or after the generation's next slot.
  std::shared_ptr<Tail> read_tail(const std::shared_ptr<const Generation>& generation) const;

  BuildReport build(const BuildOptions& build);
  BuildReport fold(const BuildOptions& build);
  BuildReport compact(const BuildOptions& build);

  // What is due, of the view's point of view.
  enum class Due { nothing, build, fold, compaction };
  Due due() const;
  // Runs one build at a time, timed and announced.
  template <class Work>
  BuildReport run_build(const char* kind, const BuildOptions& build, Work&& work);
  std::shared_ptr<const Generation> publish(GenerationStore& store, const BuiltGeneration& built,
                                            const BuildOptions& build, BuildReport& report) const;
  // Carries the rows that a new generation lacks from tail to tail, most of them while writes go on.
  void put_in_force(std::shared_ptr<const Generation> generation);
  // Follows what was written meanwhile, at last while nothing is, and switches.
  void take_over(StoreSuccessor& successor, RowMigration& migration, std::shared_ptr<const Generation> generation);
  SlotChanges take_changes();  // REQUIRES write_mutex
};

}  // namespace nestor::index
