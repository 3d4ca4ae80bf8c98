#include "index/collection.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <random>
#include <unordered_map>

#include "index/certificate_book.h"
#include "index/combined_search.h"
#include "index/error.h"
#include "index/generation.h"
#include "index/generation_builder.h"
#include "index/parallel.h"
#include "index/prepared_vector.h"
#include "index/tail.h"
#include "index/view_search.h"

namespace nestor::index {
namespace {

constexpr std::size_t kSmallestFold = 5000;  // tail rows that make a build worth its while
constexpr double kFoldShare = 0.2;           // ... or this share of the generation

}  // namespace

struct Collection::Impl {
  std::string name;
  CollectionOptions options;
  std::shared_ptr<RecordStore> records;
  std::shared_ptr<GenerationStore> generations;
  Log log;

  DeadSlots dead;
  std::atomic<std::uint64_t> points{0};

  std::mutex write_mutex;  // writers, and the swap of views
  Sequence sequence = 0;   // guarded by write_mutex
  Slot next_slot = 0;      // guarded by write_mutex
  std::mutex build_mutex;  // one build at a time
  std::atomic<bool> building{false};
  std::atomic<Sequence> last_sequence{0};
  std::atomic<Sequence> payload_sequence{0};
  std::atomic<Slot> next_slot_now{0};  // next_slot, for readers

  // The lock is held to copy a pointer, never during a search, a write or a build. (libstdc++ 12's
  // atomic<shared_ptr> does the same with a spin lock that the thread sanitizer cannot follow.)
  mutable std::mutex view_mutex;
  std::shared_ptr<const View> view;

  std::mutex certificate_mutex;  // those who change the book, over the write to the store
  CertificateBook book;

  std::shared_ptr<const View> current() const {
    const std::lock_guard lock(view_mutex);
    return view;
  }
  void replace_view(std::shared_ptr<const View> next) {
    const std::lock_guard lock(view_mutex);
    view.swap(next);
  }

  void say(const std::string& line) const {
    if (log) log("collection " + name + ": " + line);
  }

  // ---- opening ----

  void load() {
    const StoreState state = records->state();
    sequence = state.sequence;
    last_sequence = state.sequence;
    next_slot = state.next_slot;
    next_slot_now = next_slot;
    points = state.points;
    dead.reserve(next_slot);
    records->for_each_dead([&](Slot slot) { dead.insert(slot); });
    publish_view(load_generation());
    load_certificates();
  }

  // A measurement that cannot be read is one to take again, and no reason to keep the rows from being served.
  void load_certificates() {
    try {
      book.replace(records->read_certificates());
    } catch (const Error& e) {
      if (e.code() != ErrorCode::data_loss && e.code() != ErrorCode::failed_precondition) throw;
      say(std::string(e.what()) + "; calibrate again");
    }
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

  // Rows at or after the generation's next slot become the tail. Caller holds write_mutex or is the constructor.
  void publish_view(std::shared_ptr<const Generation> generation) {
    auto tail = std::make_shared<Tail>(options.dim, RowCoder::of(generation));
    // Two sequential passes: reading each row's vector by itself takes a hundred times longer.
    std::vector<RowHeader> headers;
    records->for_each_header(generation->next_slot(), [&](const RowHeader& header) {
      headers.push_back(header);
      return true;
    });
    auto header = headers.begin();
    records->for_each_vector(generation->next_slot(), next_slot, options.dim, [&](Slot slot, std::span<const float> row) {
      while (header != headers.end() && header->slot < slot) ++header;
      if (header == headers.end()) return false;
      if (header->slot == slot)
        tail->append({slot, PointEntry::make(header->id, header->version), header->value.value_or(kNoValue)}, row);
      return true;
    });
    tail->publish();
    replace_view(std::make_shared<const View>(View{std::move(generation), std::move(tail)}));
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

  // What the rules look at and what they keep of the rows that are replaced.
  struct Before {
    std::optional<RowHeader> header;
    std::string payload;
  };
  std::vector<Before> read_replaced(std::span<const Slot> replaced) const {
    std::vector<Before> before(replaced.size());
    for (std::size_t i = 0; i < replaced.size(); ++i)
      if (replaced[i] != kNoSlot) before[i] = {records->header(replaced[i]), records->read_payload(replaced[i])};
    return before;
  }

  Sequence upsert(std::span<const Point> in, const UpsertRules& rules) {
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

    const std::lock_guard lock(write_mutex);
    if (kept.empty()) return sequence;
    if (kNoSlot - next_slot <= kept.size())
      throw Error(ErrorCode::resource_exhausted, "the collection has used all of its 4294967295 slots; build it anew");
    std::vector<Slot> replaced(kept.size());
    records->find(ids, replaced);
    const bool looks_back = rules.guard || rules.keep_payload;
    const std::vector<Before> before = looks_back ? read_replaced(replaced) : std::vector<Before>(kept.size());
    WriteOperation operation;
    operation.sequence = sequence + 1;
    operation.next_slot = next_slot;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      Point point = in[kept[i]];
      const auto& [header, payload] = before[i];
      if (rules.keep_payload && !header)
        throw Error(ErrorCode::not_found, "No point with id " + to_string(point.id) + " found");
      if (rules.guard && !rules.guard(point, header ? &*header : nullptr, payload)) continue;
      if (rules.keep_payload) {
        point.payload = payload;
        point.value = header->value;
      }
      operation.upserts.push_back({point.id, operation.next_slot++, replaced[i],
                                   std::span<const float>(vectors).subspan(i * dim, dim), point.payload, point.value});
    }
    if (operation.upserts.empty()) return sequence;
    commit(operation);
    return operation.sequence;
  }

  // The one way in. All that may fail comes before the durable point: an operation that is stored but not counted
  // here would give its sequence number to the next one, which the store would then take for a repetition.
  void commit(const WriteOperation& operation) {
    current()->tail->reserve(operation.upserts.size());
    dead.reserve(operation.next_slot);
    records->write(operation);  // the durable point
    apply(operation);
  }

  // Makes a durable operation visible: new rows first, then the deaths, so that a reader never misses a point.
  void apply(const WriteOperation& operation) {
    const auto now = current();
    for (const UpsertRecord& u : operation.upserts) {
      now->tail->append({u.slot, PointEntry::make(u.id, operation.sequence), u.value.value_or(kNoValue)}, u.vector);
    }
    now->tail->publish();
    std::uint64_t added = operation.upserts.size();
    for (const UpsertRecord& u : operation.upserts)
      if (u.replaced != kNoSlot) {
        dead.insert(u.replaced);
        --added;
      }
    for (const EraseRecord& e : operation.erases) dead.insert(e.slot);
    points += added;
    points -= operation.erases.size();
    sequence = operation.sequence;
    if (!operation.payloads.empty()) payload_sequence = sequence;
    last_sequence = sequence;
    next_slot = operation.next_slot;
    next_slot_now = next_slot;
  }

  static std::vector<PointId> without_repetition(std::span<const PointId> in) {
    std::vector<PointId> ids(in.begin(), in.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  Sequence erase(std::span<const PointId> ids_in) {
    const std::vector<PointId> ids = without_repetition(ids_in);
    const std::lock_guard lock(write_mutex);
    std::vector<Slot> slots(ids.size());
    records->find(ids, slots);
    WriteOperation operation;
    operation.sequence = sequence + 1;
    operation.next_slot = next_slot;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (slots[i] != kNoSlot) operation.erases.push_back({ids[i], slots[i]});
    if (operation.erases.empty()) return sequence;
    commit(operation);
    return operation.sequence;
  }

  // Generations and the tail hold values but not payloads. So a point whose value changes is written anew, with the
  // vector it has, and the others keep their slot.
  Sequence update_payloads(std::span<const PointId> ids_in, const PayloadChange& change) {
    const std::vector<PointId> ids = without_repetition(ids_in);
    const std::lock_guard lock(write_mutex);
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
        throw Error(ErrorCode::resource_exhausted, "the collection has used all of its 4294967295 slots; build it anew");
      auto& vector = vectors.emplace_back(options.dim);
      if (!records->read_vector(slot, vector))
        throw Error(ErrorCode::data_loss, "point " + to_string(header->id) + " has lost its vector");
      operation.upserts.push_back({header->id, operation.next_slot++, slot, vector, text, update->value});
    }
    if (operation.upserts.empty() && operation.payloads.empty()) return sequence;
    commit(operation);
    return operation.sequence;
  }

  // ---- searching ----

  // A new generation published during a search takes later writes into its own tail; here only the deaths they
  // caused would be seen. So the block is then answered again.
  void search(std::span<const float> queries, std::size_t count, const SearchOptions& search,
              QueryResult* results) const {
    for (auto v = current();; v = current()) {
      if (search.target_recall || search.max_latency_ms)
        search_to_target(*v, queries, count, search, results);
      else
        search_view(*v, options, dead, queries, count, search, results);
      if (current() == v) return;
    }
  }

  ServedState served(const View& v) const {
    return {v.generation->sequence(), v.generation->fingerprint(), next_slot_now.load(), points.load()};
  }

  PolicySpace space(const View& v, std::uint32_t k) const {
    const WidthGraph* graph = v.generation->graph_for(options.dim);
    const auto coded = static_cast<std::uint32_t>(v.generation->quantizer().dim());
    return {k, options.metric, graph == nullptr ? options.dim : graph->width, coded, options.dim};
  }

  // A scan misses nothing, so it keeps any promise; without a graph every search is one.
  void search_to_target(const View& v, std::span<const float> queries, std::size_t count, const SearchOptions& search,
                        QueryResult* results) const {
    if (search.candidates_to_explore || search.distance_gap || !search.stages.empty() || search.policy)
      throw Error(ErrorCode::invalid_argument,
                  "a target recall or latency budget decides how deep the search goes: leave out ef, distance gap and "
                  "stages");
    DepthChoice depth = book.choose(search, {served(v), space(v, search.k)});
    SearchOptions deep = search;
    deep.exact = search.exact || (search.target_recall && *search.target_recall >= 1) || v.generation->graphs().empty();
    if (deep.exact)
      depth.certification = {true, 0, 1, {}, "exact search"};
    else
      deep.policy = depth.policy;
    search_view(v, options, dead, queries, count, deep, results);
    for (std::size_t i = 0; i < count; ++i) {
      results[i].certification = depth.certification;
      results[i].certification->exit_stage = results[i].exit_stage;
    }
  }

  // ---- certificates ----

  std::vector<Certificate> keep_certificates(std::vector<Certificate> fresh) {
    const std::lock_guard lock(certificate_mutex);
    const ServedState now = served(*current());
    for (const Certificate& c : fresh)
      if (const std::string stale = why_stale(c, now); !stale.empty())
        throw Error(ErrorCode::failed_precondition, "the calibration is out of date: " + stale);
    const std::size_t count = fresh.size();
    auto list = merged(*book.all(), std::move(fresh), now);
    records->write_certificates(list);
    std::vector<Certificate> kept(list.end() - static_cast<std::ptrdiff_t>(count), list.end());
    book.replace(std::move(list));
    return kept;
  }

  std::size_t drop_certificates() {
    const std::lock_guard lock(certificate_mutex);
    const std::size_t count = book.all()->size();
    records->write_certificates({});
    book.replace({});
    return count;
  }

  bool withdraw_certificate(std::uint64_t id, const std::string& why) {
    const std::lock_guard lock(certificate_mutex);
    CertificateBook::List list = *book.all();
    const auto found = std::find_if(list.begin(), list.end(), [&](const Certificate& c) { return c.id == id; });
    if (found == list.end()) return false;
    found->withdrawn = why;
    records->write_certificates(list);
    book.replace(std::move(list));
    return true;
  }

  std::vector<SampledRow> sample_rows(std::size_t count, std::uint64_t seed) const {
    std::vector<Slot> slots;
    records->for_each_header(0, [&](const RowHeader& header) {
      slots.push_back(header.slot);
      return true;
    });
    std::mt19937_64 rng(seed);
    std::vector<SampledRow> rows;
    for (std::size_t i = 0; i < slots.size() && rows.size() < count; ++i) {  // Fisher-Yates, as far as needed
      std::swap(slots[i], slots[i + rng() % (slots.size() - i)]);
      SampledRow row{slots[i], std::vector<float>(options.dim)};
      if (records->read_vector(row.slot, row.vector)) rows.push_back(std::move(row));
    }
    return rows;
  }
};

Collection::Collection(std::string name, CollectionOptions options, std::shared_ptr<RecordStore> records,
                       std::shared_ptr<GenerationStore> generations, Log log)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->options = options.validated();
  impl_->records = std::move(records);
  impl_->generations = std::move(generations);
  impl_->log = std::move(log);
  impl_->load();
}

Collection::~Collection() = default;

const std::string& Collection::name() const { return impl_->name; }
const CollectionOptions& Collection::options() const { return impl_->options; }
Sequence Collection::upsert(std::span<const Point> points, const UpsertRules& rules) {
  return impl_->upsert(points, rules);
}
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
  constexpr std::size_t kWalkBlock = 16, kScanBlock = 64;
  if (count == 0) return {};
  if (queries.size() % count != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(queries.size()) + " query values do not make " +
                                                 std::to_string(count) + " vectors of one length");
  const std::size_t length = queries.size() / count;
  std::vector<QueryResult> results(count);
  // A scan reads every row once a block, so its blocks are as large as the threads' shares allow.
  const bool may_scan = search.exact || !search.allowed_slots.empty() || search.k > 100;
  const std::size_t share = (count + thread_count(threads) - 1) / thread_count(threads);
  const std::size_t block = may_scan ? std::clamp<std::size_t>(share, kWalkBlock, kScanBlock) : kWalkBlock;
  parallel_blocks(count, block, threads, [&](std::size_t first, std::size_t last) {
    impl_->search(queries.subspan(first * length, (last - first) * length), last - first, search,
                               results.data() + first);
  });
  return results;
}

QueryResult Collection::search_combined(const CombinedQuery& query, const SearchOptions& options) const {
  for (auto view = impl_->current();; view = impl_->current()) {  // see Impl::search
    QueryResult result = index::search_combined(*view, impl_->options, impl_->dead, query, options);
    if (impl_->current() == view) return result;
  }
}

std::optional<Record> Collection::get(const PointId& id, bool with_vector, bool with_payload) const {
  Slot slot = kNoSlot;
  impl_->records->find({&id, 1}, {&slot, 1});
  if (slot == kNoSlot) return std::nullopt;
  const auto header = impl_->records->header(slot);
  if (!header) return std::nullopt;
  Record record{header->id, header->version, {}, {}, header->value, slot};
  if (with_vector) {
    record.vector.resize(impl_->options.dim);
    if (!impl_->records->read_vector(slot, record.vector)) return std::nullopt;
  }
  if (with_payload) record.payload = impl_->records->read_payload(slot);
  return record;
}

std::vector<Record> Collection::scroll(const std::optional<PointId>& first, std::size_t limit, bool with_vector,
                                       bool with_payload) const {
  std::vector<Record> out;
  for (const auto& [id, slot] : impl_->records->list(first, limit)) {
    auto record = get(id, with_vector, with_payload);
    if (record) out.push_back(std::move(*record));
  }
  return out;
}

std::uint64_t Collection::count() const { return impl_->points.load(); }

std::vector<std::uint64_t> Collection::select_slots(const RowChoice& choice) const {
  return choose_slots(*impl_->records, choice);
}
std::vector<PointId> Collection::select_ids(const RowChoice& choice) const {
  return choose_ids(*impl_->records, choice);
}

RowReader Collection::rows() const { return {impl_->current(), impl_->options, impl_->dead, *impl_->records}; }
void Collection::for_each_payload(Slot first,
                                  const std::function<bool(const RowHeader&, std::string_view)>& visit) const {
  impl_->records->for_each_payload(first, visit);
}
Sequence Collection::payload_sequence() const { return impl_->payload_sequence.load(); }

std::vector<std::uint64_t> Collection::live_slots(Slot end) const {
  std::vector<std::uint64_t> words(std::max<std::size_t>(1, (std::size_t{end} + 63) / 64));
  for (Slot slot = 0; slot < end; ++slot)
    if (!impl_->dead.contains(slot)) words[slot / 64] |= std::uint64_t{1} << (slot % 64);
  return words;
}

BuildReport Collection::build(const BuildOptions& options) {
  if (!(options.wanted_recall > 0 && options.wanted_recall < 1))
    throw Error(ErrorCode::invalid_argument,
                "wanted recall " + std::to_string(options.wanted_recall) + " must lie between 0 and 1");
  const std::lock_guard one_build(impl_->build_mutex);
  const auto started = std::chrono::steady_clock::now();
  impl_->building = true;
  struct Reset {
    std::atomic<bool>& flag;
    ~Reset() { flag = false; }
  } reset{impl_->building};
  const auto before = impl_->current();
  BuildReport report;
  {
    const auto built = build_generation(*impl_->records, impl_->options, before->generation.get(), options);
    if (options.progress) options.progress({"publishing", 0, 1});
    impl_->generations->publish(built->sequence, built->sections);
    for (const Section& s : built->sections) report.generation_bytes += s.bytes.size();
    report.notes = built->notes;
  }
  const auto on_damage = [&](const std::string& what) { impl_->say(what); };
  const auto loaded = impl_->generations->load_newest(on_damage);
  if (!loaded) throw Error(ErrorCode::data_loss, "the generation just written cannot be read back");
  auto generation = Generation::open(*loaded, impl_->options);
  report.rows = generation->rows();
  {
    const std::lock_guard lock(impl_->write_mutex);
    impl_->publish_view(std::move(generation));
  }
  if (options.progress) options.progress({"publishing", 1, 1});
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

bool Collection::wants_build() const {
  const auto view = impl_->current();
  const std::size_t tail = view->tail->size(), rows = view->generation->rows();
  if (impl_->points.load() < impl_->options.exact_below) return false;
  return tail >= std::max<std::size_t>(kSmallestFold, static_cast<std::size_t>(kFoldShare * static_cast<double>(rows)));
}

CollectionInfo Collection::info() const {
  const auto view = impl_->current();
  CollectionInfo info;
  info.options = impl_->options;
  info.points = impl_->points.load();
  info.tail_rows = view->tail->size();
  info.dead_slots = impl_->dead.count();
  info.sequence = impl_->last_sequence.load();
  info.generation_sequence = view->generation->sequence();
  info.building = impl_->building.load();
  info.memory = view->generation->memory();
  info.memory.tail = view->tail->bytes();
  if (!view->generation->graphs().empty()) {
    std::uint64_t alive_in_tail = 0;
    for (std::size_t i = 0; i < info.tail_rows; ++i)
      if (!impl_->dead.contains(view->tail->row(i).slot)) ++alive_in_tail;
    info.indexed_points = info.points > alive_in_tail ? info.points - alive_in_tail : 0;
  }
  return info;
}

std::vector<Certificate> Collection::certificates() const { return *impl_->book.all(); }
std::vector<Certificate> Collection::keep_certificates(std::vector<Certificate> fresh) {
  return impl_->keep_certificates(std::move(fresh));
}
std::size_t Collection::drop_certificates() { return impl_->drop_certificates(); }
bool Collection::withdraw_certificate(std::uint64_t id, const std::string& why) {
  return impl_->withdraw_certificate(id, why);
}
ServedState Collection::served_state() const { return impl_->served(*impl_->current()); }
PolicySpace Collection::policy_space(std::uint32_t k) const { return impl_->space(*impl_->current(), k); }
std::vector<SampledRow> Collection::sample_rows(std::size_t count, std::uint64_t seed) const {
  return impl_->sample_rows(count, seed);
}

}  // namespace nestor::index
