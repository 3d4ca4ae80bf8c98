#pragma once
// One collection: the composer of records, generation, tail and ladder. Everything a door offers
// for one collection goes through here.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/certificate.h"
#include "index/options.h"
#include "index/recall_report.h"
#include "index/record_store.h"
#include "index/row_choice.h"
#include "index/row_reader.h"
#include "index/search_types.h"

namespace nestor::index {

// A point to write. The spans and views are read during the call only.
struct Point {
  PointId id;
  std::span<const float> vector;       // dim finite values
  std::string_view payload;            // JSON object text, or empty; see index/payload_check.h
  std::optional<std::uint32_t> value;  // kNN-LM: next-token id; nullopt: what the payload's token field says
};

// A stored point.
struct Record {
  PointId id;
  Sequence version = 0;
  std::vector<float> vector;  // filled when asked for
  std::string payload;        // JSON object text, filled when asked for; "null": what is stored is none
  std::optional<std::uint32_t> value;
  Slot slot = kNoSlot;        // as of the reading
};

// What a payload becomes: JSON object text or empty, and the value that follows from it (nullopt: its token field).
struct PayloadUpdate {
  std::string payload;
  std::optional<std::uint32_t> value;
};
// From a stored payload (may be empty) to the next one; nullopt: it stays.
using PayloadChange = std::function<std::optional<PayloadUpdate>(const RowHeader&, std::string_view payload)>;

// Whether a point is written. `before` is null when it does not exist yet, else its row and payload. Called in the one
// moment of the write: no other write comes between; it must not call the collection.
using UpsertGuard = std::function<bool(const Point&, const RowHeader* before, std::string_view payload)>;

struct UpsertRules {
  UpsertGuard guard;          // empty: every point is written
  bool keep_payload = false;  // only vectors change: payload and value stay, every point must exist
};

struct Hit {
  PointId id;
  float distance = 0;  // smaller is nearer, see Metric
  float score = 0;     // score_from_distance(metric, distance)
  Sequence version = 0;
  std::optional<std::uint32_t> value;
  Slot slot = kNoSlot;  // valid for reading payload and vector with the same view only
};

struct QueryResult {
  std::vector<Hit> hits;  // nearest first
  std::vector<StageReport> stages;
  const char* exit_stage = "";                  // what ended the query, see Certification
  std::uint64_t numbering = 0;                  // that the hits' slots are of
  std::optional<Certification> certification;   // when a target or a budget was given
};

// A row to calibrate with where there are no queries.
struct SampledRow {
  Slot slot = kNoSlot;
  std::vector<float> vector;
};

// Several examples that rank a row together.
struct CombinedQuery {
  std::span<const float> examples;  // [count x dim], row-major
  std::size_t count = 0;
  // From a row's distances to the examples (smaller is nearer, see Metric) to its score (larger is better). Called
  // once a row; must be fast and must not throw.
  std::function<float(std::span<const float> distances)> score;
};

struct BuildProgress {
  std::string phase;  // "reading rows", "learning rotation", "building graph 64", "publishing"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

struct BuildOptions {
  unsigned threads = 0;       // 0: all cores
  bool deterministic = false; // one thread, fixed seed: the same rows give the same graphs
  // Of searches that set nothing; nullopt: as the build before, at first 0.99. Measured, see index/policy_choice.h.
  std::optional<double> wanted_recall;
  bool only_as_asked = false;  // no other graphs and codes are tried than the collection's options name
  std::span<const float> queries;  // [n x dim] to measure by; empty: rows of the collection, hidden from themselves
  std::function<void(const BuildProgress&)> progress;  // called from one thread at a time
};

struct BuildReport {
  std::string kind;  // "built", "folded" or "compacted"
  std::uint64_t rows = 0;
  double seconds = 0;
  std::uint64_t generation_bytes = 0;
  std::vector<std::string> notes;  // what the build chose, and the measurement behind it
  RecallReport recall;             // what searches find by it
};

// Bytes by part, for `nestor info`.
struct MemoryReport {
  std::uint64_t links = 0, codes = 0, tail = 0;           // in memory
  std::uint64_t walked_rows = 0;                          // ... copies of rows that walks compare; 0: they go by codes
  std::uint64_t mapped_codes = 0, rows = 0, ids = 0;      // in the mapped file, in memory as its pages are used
};

struct CollectionInfo {
  CollectionOptions options;
  std::uint64_t points = 0;          // live
  std::uint64_t indexed_points = 0;  // live and in a graph
  std::uint64_t tail_rows = 0;
  std::uint64_t dead_slots = 0;
  std::uint64_t slots = 0;  // used up so far, dead ones included
  Sequence sequence = 0;
  Sequence generation_sequence = 0;  // 0: no generation
  bool building = false;
  RecallReport recall;
  std::string read_only_because;  // empty: it takes writes, see RecordStore::write_trouble
  MemoryReport memory;
};

// Thread-safe. Readers never wait for writers: a search takes one shared pointer to an immutable view.
// Writers are serialised. Constructing loads the newest generation and the tail.
class Collection {
 public:
  using Log = std::function<void(const std::string&)>;

  Collection(std::string name, CollectionOptions options, std::shared_ptr<RecordStore> records,
             std::shared_ptr<GenerationStore> generations, Log log = {}, StoreSuccession succession = {});
  ~Collection();
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;

  const std::string& name() const;
  const CollectionOptions& options() const;

  // Writes all points or none; durable and searchable on return. A later point with the same id wins.
  // While a build is under way and too many rows wait for it, a write waits too, up to a second; far beyond that it
  // throws unavailable.
  // Throws invalid_argument: wrong dimension, NaN or Inf; what is no payload (payload_check.h).
  Sequence upsert(std::span<const Point> points) { return upsert(points, {}); }
  // The same where a point may be left out, or keeps its payload. Throws also not_found: "No point with id ID found".
  Sequence upsert(std::span<const Point> points, const UpsertRules& rules);
  // Unknown ids are ignored.
  Sequence erase(std::span<const PointId> ids);
  // Changes the payloads of these points, all or none; unknown ids are ignored. `change` sees the newest payload and no
  // other write comes between; it must not call the collection. A throw of it, or what is no payload, changes nothing.
  // A point whose value stays keeps its slot, and hits show the version of its last vector or value.
  Sequence update_payloads(std::span<const PointId> ids, const PayloadChange& change);

  // `query` holds dim values (or exactly one of widths: then that width ranks the answer).
  // Throws invalid_argument on anything out of range.
  QueryResult search(std::span<const float> query, const SearchOptions& options) const;
  // queries [count x dim], row-major; the answers in order. threads = 0: all cores.
  std::vector<QueryResult> search_batch(std::span<const float> queries, std::size_t count, const SearchOptions& options,
                                        unsigned threads = 0) const;

  // Exact: every (allowed) row is scored, O(rows x examples). Of `options` k, width, allowed_slots and explain count.
  QueryResult search_combined(const CombinedQuery& query, const SearchOptions& options) const;

  std::optional<Record> get(const PointId& id, bool with_vector, bool with_payload) const;
  // Points in id order from `first` on (inclusive).
  std::vector<Record> scroll(const std::optional<PointId>& first, std::size_t limit, bool with_vector,
                             bool with_payload) const;
  std::uint64_t count() const;

  // Rows chosen by payload or id, for SearchOptions::allowed_slots and for writes. Reads the records, O(live rows)
  // unless the choice names its points. What is written after the choice is not in it: a point that is replaced
  // between choice and search is missed by that search.
  // Throws unavailable when RowChoice::within is older than the last compaction but one.
  SelectedSlots select_slots(const RowChoice& choice) const;
  std::vector<PointId> select_ids(const RowChoice& choice) const;  // ascending

  // Distances, vectors and tokens of points by id.
  RowReader rows() const;
  // Live rows with their payloads in slot order, slot >= first, as of one moment. Stops when the visitor returns false.
  // Returns the numbering of their slots.
  std::uint64_t for_each_payload(
      Slot first, const std::function<bool(const RowHeader&, std::string_view payload)>& visit) const;
  // Changes when an operation changed a payload in place or a compaction numbered the slots anew; 0: neither, since the
  // collection was opened. Whoever derives columns from payloads reads only new slots while it stands still.
  Sequence payload_sequence() const;
  // The slots below `end` that have not died, as SearchOptions::allowed_slots takes them. From memory, O(end).
  SelectedSlots live_slots(Slot end) const;
  // Which slots are meant today: every compaction numbers them anew.
  std::uint64_t numbering() const;
  // The same rows by the numbering of now. Throws unavailable when they are older than the last compaction but one.
  SelectedSlots renumbered(const SelectedSlots& slots) const;

  // Three ways to a new generation; searches and writes go on meanwhile, one at a time is under way. What fails leaves
  // the generation before in force.
  // build: anew, from all live rows of the records.
  BuildReport build(const BuildOptions& options = {});
  // fold: inserts the tail into the graphs of the generation; what it holds is not read from the records again.
  BuildReport fold(const BuildOptions& options = {});
  // compact: rewrites the records without what is dead, numbers the slots anew and builds over them.
  // Throws failed_precondition where there is no StoreSuccession, or when the collection was deleted meanwhile.
  BuildReport compact(const BuildOptions& options = {});
  // The one of them that is due; true when one is: enough rows wait in the tail, or a quarter of the slots is dead.
  BuildReport maintain(const BuildOptions& options = {});
  bool wants_build() const;

  CollectionInfo info() const;

  // Calibration (calibrator.h). The certificates stand in the record store; searches with a target see them at once.
  std::vector<Certificate> certificates() const;
  // Puts fresh certificates in force, durably, in place of older ones for the same question; returns them with their
  // ids. Throws failed_precondition when the collection no longer serves what they were measured on.
  std::vector<Certificate> keep_certificates(std::vector<Certificate> fresh);
  // All of them, also those that serve other questions. Returns how many there were.
  std::size_t drop_certificates();
  // The monitor's alarm, durable: the certificate no longer serves. False: there is none of that id.
  bool withdraw_certificate(std::uint64_t id, const std::string& why);
  // Tuning (tuner.h). Durable; searches see it at once. nullopt: the default of the build serves again.
  void use_tuned_policy(const std::optional<TunedPolicy>& tuned);
  std::optional<TunedPolicy> tuned_policy() const;
  ServedState served_state() const;
  PolicySpace policy_space(std::uint32_t k) const;
  // Live rows drawn without repetition, at most `count`, in drawn order.
  std::vector<SampledRow> sample_rows(std::size_t count, std::uint64_t seed) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::index
