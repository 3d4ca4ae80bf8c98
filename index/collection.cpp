#include "index/collection.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <unordered_map>
#include <utility>

#include "index/error.h"
#include "index/generation.h"
#include "index/generation_builder.h"
#include "index/parallel.h"
#include "index/prepared_vector.h"
#include "index/row_migration.h"
#include "index/tail.h"
#include "index/view_search.h"

namespace nestor::index {
namespace {

constexpr std::size_t kSmallestFold = 5000;        // tail rows that make a fold worth its while, and at least
constexpr double kFoldShare = 0.05;                // ... this share of the generation: a fold writes all of it again
constexpr std::size_t kSmallestCompaction = 5000;  // dead slots that make a compaction worth its while, and at least
constexpr double kCompactionShare = 0.25;          // ... this share of all slots: a walk passes through the dead
// Rows that may wait for a build under way before writers are slowed down, and at least this share of the generation.
constexpr std::size_t kLongTail = 50'000;
constexpr double kLongTailShare = 0.5;
constexpr std::size_t kTooLong = 4;  // so many times that, and writes are refused
constexpr std::chrono::seconds kLongestWait{1};

// As push_back would grow it, but now.
void make_room(std::vector<Slot>& slots, std::size_t more) {
  if (slots.capacity() - slots.size() < more) slots.reserve(std::max(slots.size() + more, 2 * slots.capacity()));
}

std::size_t share_of(std::size_t rows, double share, std::size_t least) {
  return std::max(least, static_cast<std::size_t>(share * static_cast<double>(rows)));
}

}  // namespace

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

  // The lock is held to copy a pointer, never during a search, a write or a build. (libstdc++ 12's
  // atomic<shared_ptr> does the same with a spin lock that the thread sanitizer cannot follow.)
  mutable std::mutex view_mutex;
  std::shared_ptr<const View> view;

  std::shared_ptr<const View> current() const {
    const std::lock_guard lock(view_mutex);
    return view;
  }
  void replace_view(View next) {
    auto shared = std::make_shared<const View>(std::move(next));
    {
      const std::lock_guard lock(view_mutex);
      view.swap(shared);
    }
    room.notify_all();
  }

  // Writers that wait for the tail to become shorter.
  std::mutex room_mutex;
  std::condition_variable room;

  void say(const std::string& line) const {
    if (log) log("collection " + name + ": " + line);
  }

  // ---- opening ----

  void load() {
    const StoreState state = records->state();
    sequence = state.sequence;
    last_sequence = state.sequence;
    next_slot = state.next_slot;
    points = state.points;
    dead->reserve(next_slot);
    records->for_each_dead([&](Slot slot) { dead->insert(slot); });
    auto generation = load_generation();
    auto tail = read_tail(generation);
    replace_view({std::move(generation), std::move(tail), dead, records, 1, nullptr});
  }

  std::shared_ptr<const Generation> load_generation() {
    const auto on_damage = [&](const std::string& what) { say(what); };
    try {
      if (const auto loaded = generations->load_newest(on_damage)) {
        auto generation = Generation::open(*loaded, options);
        if (generation->sequence() <= sequence && generation->next_slot() <= next_slot) return generation;
        say("the generation is newer than the records; it is ignored and will be rebuilt");
      } else if (points >= options.exact_below) {
        say("no usable generation; exact search serves until it is rebuilt from the records");
      }
    } catch (const Error& e) {
      if (e.code() != ErrorCode::data_loss) throw;
      say(std::string(e.what()) + "; exact search serves until it is rebuilt from the records");
    }
    return std::make_shared<Generation>();
  }

  std::shared_ptr<Tail> new_tail(const std::shared_ptr<const Generation>& generation) const {
    return std::make_shared<Tail>(options.dim, RowCoder::of(generation));
  }

  // Rows at or after the generation's next slot.
  std::shared_ptr<Tail> read_tail(const std::shared_ptr<const Generation>& generation) const {
    auto tail = new_tail(generation);
    // Two sequential passes: reading each row's vector by itself takes a hundred times longer.
    std::vector<RowHeader> headers;
    records->for_each_header(generation->next_slot(), [&](const RowHeader& header) {
      headers.push_back(header);
      return true;
    });
    auto header = headers.begin();
    records->for_each_vector(
        generation->next_slot(), next_slot, options.dim, [&](Slot slot, std::span<const float> row) {
          while (header != headers.end() && header->slot < slot) ++header;
          if (header == headers.end()) return false;
          if (header->slot == slot)
            tail->append({slot, PointEntry::make(header->id, header->version), header->value.value_or(kNoValue)}, row);
          return true;
        });
    tail->publish();
    return tail;
  }

  // ---- generations ----

  // Carries the rows that a new generation lacks from tail to tail, most of them while writes go on.
  void put_in_force(std::shared_ptr<const Generation> generation) {
    const auto before = current();
    auto tail = new_tail(generation);
    std::size_t carried = 0;
    const auto carry = [&] {
      for (const std::size_t end = before->tail->size(); carried < end; ++carried) {
        const TailRow& row = before->tail->row(carried);
        if (row.slot < generation->next_slot() || before->dead->contains(row.slot)) continue;
        tail->reserve(1);
        tail->append(row, {before->tail->vector(carried), options.dim});
      }
    };
    carry();
    const std::lock_guard lock(write_mutex);
    carry();
    tail->publish();
    View next = *before;
    next.generation = std::move(generation);
    next.tail = std::move(tail);
    replace_view(std::move(next));
  }

  std::shared_ptr<const Generation> publish(GenerationStore& store, const BuiltGeneration& built,
                                            const BuildOptions& build, BuildReport& report) const {
    if (build.progress) build.progress({"publishing", 0, 1});
    store.publish(built.sequence, built.sections);
    for (const Section& s : built.sections) report.generation_bytes += s.bytes.size();
    report.notes = built.notes;
    const auto loaded = store.load_newest([&](const std::string& what) { say(what); });
    if (!loaded) throw Error(ErrorCode::data_loss, "the generation just written cannot be read back");
    auto generation = Generation::open(*loaded, options);
    report.rows = generation->rows();
    return generation;
  }

  // Runs one build at a time, timed and announced.
  template <class Work>
  BuildReport run_build(const char* kind, const BuildOptions& build, Work&& work) {
    const std::lock_guard one_build(build_mutex);
    const auto started = std::chrono::steady_clock::now();
    building = true;
    struct Reset {
      Impl& impl;
      ~Reset() {
        impl.building = false;
        impl.room.notify_all();
      }
    } reset{*this};
    BuildReport report;
    report.kind = kind;
    work(report);
    if (build.progress) build.progress({"publishing", 1, 1});
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return report;
  }

  BuildReport build(const BuildOptions& build) {
    return run_build("built", build, [&](BuildReport& report) {
      const auto before = current();
      auto built = build_generation(*before->records, options, before->generation.get(), build);
      auto generation = publish(*generations, *built, build, report);
      built.reset();
      put_in_force(std::move(generation));
    });
  }

  BuildReport fold(const BuildOptions& build) {
    return run_build("folded", build, [&](BuildReport& report) {
      const auto before = current();
      std::unique_lock lock(write_mutex);
      const FoldInput input{*before->generation, *before->tail, before->tail->size(),
                            *before->dead,       sequence,      next_slot};
      lock.unlock();
      auto built = fold_generation(input, options, build);
      auto generation = publish(*generations, *built, build, report);
      built.reset();
      put_in_force(std::move(generation));
    });
  }

  // ---- compaction ----

  SlotChanges take_changes() {  // REQUIRES write_mutex
    return std::exchange(*changes, SlotChanges{});
  }

  BuildReport compact(const BuildOptions& build) {
    if (!succession) throw Error(ErrorCode::failed_precondition, "this collection has no place to be compacted to");
    return run_build("compacted", build, [&](BuildReport& report) {
      const std::unique_ptr<StoreSuccessor> successor = succession();
      struct StopNoting {
        Impl& impl;
        ~StopNoting() {
          const std::lock_guard lock(impl.write_mutex);
          impl.changes.reset();
        }
      } stop{*this};
      const auto before = current();
      RowMigration migration(*before->records, *successor, options.dim);
      StoreState state;
      {
        const std::lock_guard lock(write_mutex);
        changes.emplace();
        state = {sequence, next_slot, 0};
      }
      migration.copy(state.next_slot, nullptr, [&](std::uint64_t done) {
        if (build.progress) build.progress({"copying rows", done, state.next_slot});
      });
      successor->seal({state.sequence, migration.next_slot(), migration.alive()});
      auto built = build_generation(*successor->records(), options, before->generation.get(), build);
      auto generation = publish(*successor->generations(), *built, build, report);
      built.reset();
      take_over(*successor, migration, std::move(generation));
    });
  }

  // Follows what was written meanwhile, at last while nothing is, and switches.
  void take_over(StoreSuccessor& successor, RowMigration& migration, std::shared_ptr<const Generation> generation) {
    constexpr int kRounds = 4;
    constexpr std::size_t kFewChanges = 1000;
    auto tail = new_tail(generation);
    for (int round = 0; round < kRounds; ++round) {
      std::unique_lock lock(write_mutex);
      const SlotChanges noted = take_changes();
      const Slot end = next_slot;
      lock.unlock();
      const Slot from = migration.next_slot();
      migration.follow(noted, end, tail.get());
      if (noted.size() + migration.next_slot() - from < kFewChanges) break;
    }
    auto now_dead = std::make_shared<DeadSlots>();
    now_dead->reserve(migration.next_slot());
    const std::lock_guard lock(write_mutex);
    migration.follow(take_changes(), next_slot, tail.get());
    now_dead->reserve(migration.next_slot());
    for (const Slot slot : migration.dead()) now_dead->insert(slot);
    tail->publish();
    auto renumbering = std::make_shared<Renumbering>();
    View next = *current();
    renumbering->from = next.numbering++;
    renumbering->new_slot = migration.take_map();
    next.generation = std::move(generation);
    next.tail = std::move(tail);
    next.dead = now_dead;
    next.records = successor.records();
    next.renumbering = std::move(renumbering);
    successor.seal({sequence, migration.next_slot(), points.load()});
    successor.take_over();  // the durable point; nothing below throws
    records = next.records;
    generations = successor.generations();
    dead = std::move(now_dead);
    next_slot = migration.next_slot();
    replace_view(std::move(next));
  }

  // What is due, of the view's point of view.
  enum class Due { nothing, build, fold, compaction };
  Due due() const {
    const auto v = current();
    const std::uint64_t dead_slots = v->dead->count(), slots = dead_slots + points.load();
    if (succession && dead_slots >= share_of(slots, kCompactionShare, kSmallestCompaction)) return Due::compaction;
    if (points.load() < options.exact_below) return Due::nothing;
    if (v->tail->size() < share_of(v->generation->rows(), kFoldShare, kSmallestFold)) return Due::nothing;
    return v->generation->rows() == 0 ? Due::build : Due::fold;
  }

  // ---- writing ----

  // The last point of each id, in order.
  static std::vector<std::size_t> last_of_each_id(std::span<const Point> points_in) {
    std::unordered_map<PointId, std::size_t, PointIdHash> last;
    for (std::size_t i = 0; i < points_in.size(); ++i) last[points_in[i].id] = i;
    std::vector<std::size_t> kept;
    kept.reserve(last.size());
    for (std::size_t i = 0; i < points_in.size(); ++i)
      if (last[points_in[i].id] == i) kept.push_back(i);
    return kept;
  }

  Sequence upsert(std::span<const Point> in) {
    const std::vector<std::size_t> kept = last_of_each_id(in);
    const std::size_t dim = options.dim;
    std::vector<float> scratch(dim), vectors(kept.size() * dim);
    std::vector<PointId> ids(kept.size());
    std::size_t next = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {  // every point is checked, also one that a later one replaces
      const bool keep = next < kept.size() && kept[next] == i;
      prepare_vector(options, in[i].vector, keep ? vectors.data() + next * dim : scratch.data());
      if (in[i].value && *in[i].value == kNoValue)
        throw Error(ErrorCode::invalid_argument, "token value 4294967295 is reserved");
      if (keep) ids[next++] = in[i].id;
    }

    wait_for_room();
    std::unique_lock lock(write_mutex);
    if (kept.empty()) return sequence;
    if (kNoSlot - next_slot <= kept.size())
      throw Error(ErrorCode::resource_exhausted, "the collection has used all of its 4294967295 slots; build it anew");
    std::vector<Slot> replaced(kept.size());
    records->find(ids, replaced);
    WriteOperation operation;
    operation.sequence = sequence + 1;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const Point& point = in[kept[i]];
      operation.upserts.push_back({point.id, static_cast<Slot>(next_slot + i), replaced[i],
                                   std::span<const float>(vectors).subspan(i * dim, dim), point.payload, point.value});
    }
    operation.next_slot = static_cast<Slot>(next_slot + kept.size());
    return commit(operation, std::move(lock));
  }

  // Slows writers down while a build under way is outrun by them.
  void wait_for_room() {
    const auto length = [this](std::size_t& limit) {
      const auto v = current();
      limit = share_of(v->generation->rows(), kLongTailShare, kLongTail);
      return v->tail->size();
    };
    std::size_t limit = 0;
    if (length(limit) < limit || !building) return;
    std::unique_lock lock(room_mutex);
    room.wait_for(lock, kLongestWait, [&] { return length(limit) < limit || !building; });
    if (const std::size_t waiting = length(limit); building && waiting >= kTooLong * limit)
      throw Error(ErrorCode::unavailable, std::to_string(waiting) + " rows wait to be indexed, the limit is " +
                                              std::to_string(kTooLong * limit) +
                                              "; nothing was written, try again later");
  }

  // The one way in. All that may fail comes before the durable point: an operation that is stored but not counted
  // here would give its sequence number to the next one, which the store would then take for a repetition.
  // Waiting for the disk comes after the lock, so that writers which come together share one sync.
  Sequence commit(const WriteOperation& operation, std::unique_lock<std::mutex> lock) {
    current()->tail->reserve(operation.upserts.size());
    dead->reserve(operation.next_slot);
    if (changes) {
      make_room(changes->died, operation.upserts.size() + operation.erases.size());
      make_room(changes->new_payloads, operation.payloads.size());
    }
    records->write(operation);
    apply(operation);
    return settle(std::move(lock));
  }

  // Returns when all there is is durable: also for a write that found nothing to do, since what it saw may be newer
  // than the last sync.
  Sequence settle(std::unique_lock<std::mutex> lock) {
    const std::shared_ptr<RecordStore> written_to = records;
    const Sequence written = sequence;
    lock.unlock();
    written_to->sync(written);  // the durable point
    return written;
  }

  // Makes a written operation visible: new rows first, then the deaths, so that a reader never misses a point.
  void apply(const WriteOperation& operation) {
    const auto now = current();
    for (const UpsertRecord& u : operation.upserts) {
      now->tail->append({u.slot, PointEntry::make(u.id, operation.sequence), u.value.value_or(kNoValue)}, u.vector);
    }
    now->tail->publish();
    std::uint64_t added = operation.upserts.size();
    for (const UpsertRecord& u : operation.upserts)
      if (u.replaced != kNoSlot) {
        bury(u.replaced);
        --added;
      }
    for (const EraseRecord& e : operation.erases) bury(e.slot);
    if (changes)
      for (const PayloadRecord& p : operation.payloads) changes->new_payloads.push_back(p.slot);
    points += added;
    points -= operation.erases.size();
    sequence = operation.sequence;
    if (!operation.payloads.empty()) payload_sequence = sequence;
    last_sequence = sequence;
    next_slot = operation.next_slot;
  }

  void bury(Slot slot) {
    dead->insert(slot);
    if (changes) changes->died.push_back(slot);
  }

  static std::vector<PointId> without_repetition(std::span<const PointId> in) {
    std::vector<PointId> ids(in.begin(), in.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  Sequence erase(std::span<const PointId> ids_in) {
    const std::vector<PointId> ids = without_repetition(ids_in);
    std::unique_lock lock(write_mutex);
    std::vector<Slot> slots(ids.size());
    records->find(ids, slots);
    WriteOperation operation;
    operation.sequence = sequence + 1;
    operation.next_slot = next_slot;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (slots[i] != kNoSlot) operation.erases.push_back({ids[i], slots[i]});
    if (operation.erases.empty()) return settle(std::move(lock));
    return commit(operation, std::move(lock));
  }

  // Generations and the tail hold values but not payloads. So a point whose value changes is written anew, with the
  // vector it has, and the others keep their slot.
  Sequence update_payloads(std::span<const PointId> ids_in, const PayloadChange& change) {
    const std::vector<PointId> ids = without_repetition(ids_in);
    std::unique_lock lock(write_mutex);
    std::vector<Slot> slots(ids.size());
    records->find(ids, slots);
    WriteOperation operation;
    operation.sequence = sequence + 1;
    operation.next_slot = next_slot;
    std::deque<std::string> texts;  // elements stay in place
    std::deque<std::vector<float>> vectors;
    for (const Slot slot : slots) {
      const auto header = slot == kNoSlot ? std::nullopt : records->header(slot);
      if (!header) continue;
      auto update = change(*header, records->read_payload(slot));
      if (!update) continue;
      if (update->value && *update->value == kNoValue)
        throw Error(ErrorCode::invalid_argument, "token value 4294967295 is reserved");
      const std::string& text = texts.emplace_back(std::move(update->payload));
      if (update->value == header->value) {
        operation.payloads.push_back({slot, text, update->value});
        continue;
      }
      if (operation.next_slot == kNoSlot - 1)
        throw Error(ErrorCode::resource_exhausted,
                    "the collection has used all of its 4294967295 slots; build it anew");
      auto& vector = vectors.emplace_back(options.dim);
      if (!records->read_vector(slot, vector))
        throw Error(ErrorCode::data_loss, "point " + to_string(header->id) + " has lost its vector");
      operation.upserts.push_back({header->id, operation.next_slot++, slot, vector, text, update->value});
    }
    if (operation.upserts.empty() && operation.payloads.empty()) return settle(std::move(lock));
    return commit(operation, std::move(lock));
  }

  // ---- searching ----

  // A new generation published during a search takes later writes into its own tail; here only the deaths they
  // caused would be seen. So the block is then answered again.
  void search(std::span<const float> queries, std::size_t count, const SearchOptions& search,
              QueryResult* results) const {
    for (auto v = current();; v = current()) {
      search_view(*v, options, queries, count, search, results);
      if (current() == v) return;
    }
  }
};

Collection::Collection(std::string name, CollectionOptions options, std::shared_ptr<RecordStore> records,
                       std::shared_ptr<GenerationStore> generations, Log log, StoreSuccession succession)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->options = options.validated();
  impl_->records = std::move(records);
  impl_->generations = std::move(generations);
  impl_->log = std::move(log);
  impl_->succession = std::move(succession);
  impl_->load();
}

Collection::~Collection() = default;

const std::string& Collection::name() const { return impl_->name; }
const CollectionOptions& Collection::options() const { return impl_->options; }
Sequence Collection::upsert(std::span<const Point> points) { return impl_->upsert(points); }
Sequence Collection::erase(std::span<const PointId> ids) { return impl_->erase(ids); }
Sequence Collection::update_payloads(std::span<const PointId> ids, const PayloadChange& change) {
  return impl_->update_payloads(ids, change);
}

QueryResult Collection::search(std::span<const float> query, const SearchOptions& search) const {
  QueryResult result;
  impl_->search(query, 1, search, &result);
  return result;
}

std::vector<QueryResult> Collection::search_batch(std::span<const float> queries, std::size_t count,
                                                  const SearchOptions& search, unsigned threads) const {
  constexpr std::size_t kBlock = 16;
  if (count == 0) return {};
  if (queries.size() % count != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(queries.size()) + " query values do not make " +
                                                 std::to_string(count) + " vectors of one length");
  const std::size_t length = queries.size() / count;
  std::vector<QueryResult> results(count);
  parallel_blocks(count, kBlock, threads, [&](std::size_t first, std::size_t last) {
    impl_->search(queries.subspan(first * length, (last - first) * length), last - first, search,
                  results.data() + first);
  });
  return results;
}

std::optional<Record> Collection::get(const PointId& id, bool with_vector, bool with_payload) const {
  const auto view = impl_->current();
  Slot slot = kNoSlot, seen = kNoSlot;
  // A point that is replaced between two reads is read again under its new slot.
  for (view->records->find({&id, 1}, {&slot, 1}); slot != seen; view->records->find({&id, 1}, {&slot, 1})) {
    seen = slot;
    const auto header = view->records->header(slot);
    if (!header) continue;
    Record record{header->id, header->version, {}, {}, header->value};
    if (with_vector) {
      record.vector.resize(impl_->options.dim);
      if (!view->records->read_vector(slot, record.vector)) continue;
    }
    if (with_payload) record.payload = view->records->read_payload(slot);
    if (with_payload && !view->records->header(slot)) continue;  // died before its payload was read, perhaps
    return record;
  }
  return std::nullopt;
}

std::vector<Record> Collection::scroll(const std::optional<PointId>& first, std::size_t limit, bool with_vector,
                                       bool with_payload) const {
  std::vector<Record> out;
  for (const auto& [id, slot] : impl_->current()->records->list(first, limit)) {
    auto record = get(id, with_vector, with_payload);
    if (record) out.push_back(std::move(*record));
  }
  return out;
}

std::uint64_t Collection::count() const { return impl_->points.load(); }

SelectedSlots Collection::select_slots(const RowChoice& choice) const {
  const auto view = impl_->current();
  return {choose_slots(*view->records, choice), view->numbering};
}
std::vector<PointId> Collection::select_ids(const RowChoice& choice) const {
  return choose_ids(*impl_->current()->records, choice);
}

RowReader Collection::rows() const {
  const auto view = impl_->current();
  return {view, impl_->options, *view->dead, *view->records};
}
void Collection::for_each_payload(Slot first,
                                  const std::function<bool(const RowHeader&, std::string_view)>& visit) const {
  impl_->current()->records->for_each_payload(first, visit);
}
Sequence Collection::payload_sequence() const {
  constexpr int kNumberingShift = 48;
  return impl_->payload_sequence.load() + ((impl_->current()->numbering - 1) << kNumberingShift);
}

BuildReport Collection::build(const BuildOptions& options) { return impl_->build(options); }
BuildReport Collection::fold(const BuildOptions& options) { return impl_->fold(options); }
BuildReport Collection::compact(const BuildOptions& options) { return impl_->compact(options); }
BuildReport Collection::maintain(const BuildOptions& options) {
  switch (impl_->due()) {
    case Impl::Due::compaction: return impl_->compact(options);
    case Impl::Due::fold: return impl_->fold(options);
    default: return impl_->build(options);
  }
}
bool Collection::wants_build() const { return impl_->due() != Impl::Due::nothing; }

CollectionInfo Collection::info() const {
  const auto view = impl_->current();
  CollectionInfo info;
  info.options = impl_->options;
  info.points = impl_->points.load();
  info.tail_rows = view->tail->size();
  info.dead_slots = view->dead->count();
  info.slots = info.points + info.dead_slots;
  info.sequence = impl_->last_sequence.load();
  info.generation_sequence = view->generation->sequence();
  info.building = impl_->building.load();
  info.memory = view->generation->memory();
  info.memory.tail = view->tail->bytes();
  if (!view->generation->graphs().empty()) {
    std::uint64_t alive_in_tail = 0;
    for (std::size_t i = 0; i < info.tail_rows; ++i)
      if (!view->dead->contains(view->tail->row(i).slot)) ++alive_in_tail;
    info.indexed_points = info.points > alive_in_tail ? info.points - alive_in_tail : 0;
  }
  return info;
}

}  // namespace nestor::index
