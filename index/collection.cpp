#include "index/collection.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <unordered_map>

#include "index/distance.h"
#include "index/error.h"
#include "index/generation.h"
#include "index/generation_builder.h"
#include "index/ladder.h"
#include "index/parallel.h"
#include "index/tail.h"
#include "index/top_k.h"

namespace nestor::index {
namespace {

constexpr std::size_t kSmallestFold = 5000;  // tail rows that make a build worth its while
constexpr double kFoldShare = 0.2;           // ... or this share of the generation

// What one search sees; replaced as a whole when a generation is published.
struct View {
  std::shared_ptr<const Generation> generation;  // never null, may be empty
  std::shared_ptr<Tail> tail;
};

// Checks and prepares one vector at the border; everything inside may trust it.
void prepare_vector(const CollectionOptions& options, std::span<const float> in, float* out) {
  if (in.size() != options.dim)
    throw Error(ErrorCode::invalid_argument, "Vector dimension error: expected dim: " + std::to_string(options.dim) +
                                                 ", got " + std::to_string(in.size()));
  double norm = 0;
  for (std::size_t j = 0; j < in.size(); ++j) {
    if (!std::isfinite(in[j]))
      throw Error(ErrorCode::invalid_argument, "vector coordinate " + std::to_string(j) + " is not a finite number");
    norm += static_cast<double>(in[j]) * in[j];
    out[j] = in[j];
  }
  if (options.metric == Metric::cosine) {
    if (!(norm > 0)) throw Error(ErrorCode::invalid_argument, "a zero vector has no direction: cosine cannot store it");
    const double inverse = 1.0 / std::sqrt(norm);
    // A vector that is already normalised keeps its bits, so that writing what was read changes nothing.
    if (std::fabs(norm - 1.0) > 1e-6)
      for (std::size_t j = 0; j < in.size(); ++j) out[j] = static_cast<float>(in[j] * inverse);
  }
  if (options.scalar_type == ScalarType::float16) {
    std::vector<std::uint16_t> half(in.size());
    kernels().f16_from_f32(out, half.data(), in.size());
    kernels().f32_from_f16(half.data(), out, in.size());
    for (std::size_t j = 0; j < in.size(); ++j)
      if (!std::isfinite(out[j]))
        throw Error(ErrorCode::invalid_argument, "vector coordinate " + std::to_string(j) + " is " +
                                                     std::to_string(in[j]) + ", float16 holds at most 65504");
  }
}

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

  // The lock is held to copy a pointer, never during a search, a write or a build. (libstdc++ 12's
  // atomic<shared_ptr> does the same with a spin lock that the thread sanitizer cannot follow.)
  mutable std::mutex view_mutex;
  std::shared_ptr<const View> view;

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
    points = state.points;
    records->for_each_dead([&](Slot slot) { dead.insert(slot); });
    publish_view(load_generation());
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
    auto tail = std::make_shared<Tail>(options.dim);
    std::vector<float> stored(options.dim), searchable(options.dim);
    records->for_each_header(generation->next_slot(), [&](const RowHeader& header) {
      if (!records->read_vector(header.slot, stored)) return true;  // died since
      to_search_space(*generation, stored, searchable);
      tail->append({header.slot, PointEntry::make(header.id, header.version), header.value.value_or(kNoValue)}, searchable);
      return true;
    });
    tail->publish();
    replace_view(std::make_shared<const View>(View{std::move(generation), std::move(tail)}));
  }

  static void to_search_space(const Generation& generation, std::span<const float> in, std::span<float> out) {
    if (generation.rotation() != nullptr)
      generation.rotation()->apply(in, out);
    else
      std::copy(in.begin(), in.end(), out.begin());
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

    const std::lock_guard lock(write_mutex);
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
    records->write(operation);  // the durable point
    apply(operation);
    return operation.sequence;
  }

  // Makes a durable operation visible: new rows first, then the deaths, so that a reader never misses a point.
  void apply(const WriteOperation& operation) {
    const auto now = current();
    std::vector<float> searchable(options.dim);
    for (const UpsertRecord& u : operation.upserts) {
      to_search_space(*now->generation, u.vector, searchable);
      now->tail->append({u.slot, PointEntry::make(u.id, operation.sequence), u.value.value_or(kNoValue)}, searchable);
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
    last_sequence = sequence;
    next_slot = operation.next_slot;
  }

  Sequence erase(std::span<const PointId> ids_in) {
    std::vector<PointId> ids(ids_in.begin(), ids_in.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    const std::lock_guard lock(write_mutex);
    std::vector<Slot> slots(ids.size());
    records->find(ids, slots);
    WriteOperation operation;
    operation.sequence = sequence + 1;
    operation.next_slot = next_slot;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (slots[i] != kNoSlot) operation.erases.push_back({ids[i], slots[i]});
    if (operation.erases.empty()) return sequence;
    records->write(operation);
    apply(operation);
    return operation.sequence;
  }

  // ---- searching ----

  // The query as the generation sees it; owned memory, since rotation and normalisation change it.
  struct PreparedQuery {
    std::vector<float> values;  // dim, in search space; zeros after the width of a short query
    std::uint32_t width;        // ranking width
  };

  PreparedQuery prepare_query(const Generation& generation, std::span<const float> query,
                              const SearchOptions& search) const {
    const bool is_short = query.size() != options.dim;
    if (is_short && (!std::binary_search(options.widths.begin(), options.widths.end(), query.size())))
      throw Error(ErrorCode::invalid_argument, "Vector dimension error: expected dim: " + std::to_string(options.dim) +
                                                   ", got " + std::to_string(query.size()));
    if (is_short && options.rotation != Rotation::none)
      throw Error(ErrorCode::invalid_argument, "a rotated collection needs the full query of " +
                                                   std::to_string(options.dim) + " coordinates, got " +
                                                   std::to_string(query.size()));
    for (std::size_t j = 0; j < query.size(); ++j)
      if (!std::isfinite(query[j]))
        throw Error(ErrorCode::invalid_argument, "query coordinate " + std::to_string(j) + " is not a finite number");
    PreparedQuery out;
    out.width = search.width.value_or(static_cast<std::uint32_t>(query.size()));
    if (out.width > query.size())
      throw Error(ErrorCode::invalid_argument, "width " + std::to_string(out.width) + " exceeds the query's " +
                                                   std::to_string(query.size()) + " coordinates");
    std::vector<float> original(query.begin(), query.end());
    if (options.metric == Metric::cosine) {
      double norm = 0;
      for (const float x : original) norm += static_cast<double>(x) * x;
      if (!(norm > 0)) throw Error(ErrorCode::invalid_argument, "a zero query has no direction: cosine cannot rank by it");
      const double inverse = 1.0 / std::sqrt(norm);
      for (float& x : original) x = static_cast<float>(x * inverse);
    }
    original.resize(options.dim, 0.0f);
    if (generation.rotation() == nullptr) {
      out.values = std::move(original);
    } else {
      out.values.resize(options.dim);
      to_search_space(generation, original, out.values);
    }
    return out;
  }

  // Candidates from generation and tail, by distance; duplicates of an updated point cannot both be alive.
  struct Candidate {
    float distance;
    bool in_tail;
    std::uint32_t number;  // row or tail position
  };

  struct TailScan {
    std::size_t seen = 0;
    std::vector<std::pair<float, std::uint32_t>> best;
  };

  void scan_tail(const Tail& tail, std::size_t upto, const ExactDistance& distance, const RowFilter& filter, std::uint32_t k,
                 TailScan& scan) const {
    TopK top(k);
    for (const auto& [d, i] : scan.best) top.offer(d, i);
    for (std::size_t i = scan.seen; i < upto; ++i)
      if (filter.allows(tail.row(i).slot)) top.offer(distance(tail.vector(i)), static_cast<std::uint32_t>(i));
    scan.best = top.take();
    scan.seen = upto;
  }

  // Adds the tail's rows and drops what died meanwhile. A write appends before it kills, so looping until no row
  // was appended since the last look at the dead sees every point exactly once.
  std::vector<Candidate> merge_tail(const View& v, const PreparedQuery& query, const SearchOptions& search,
                                    RowAnswer& answer) const {
    const Generation& generation = *v.generation;
    const ExactDistance distance(options.metric, query.values.data(), query.width, options.dim);
    TailScan scan;
    std::vector<Candidate> merged;
    for (std::size_t upto = v.tail->size();; upto = v.tail->size()) {
      const RowFilter filter(generation, dead, search.allowed_slots);
      scan_tail(*v.tail, upto, distance, filter, search.k, scan);
      merged.clear();
      for (const RowDistance& r : answer.rows)
        if (filter(r.row)) merged.push_back({r.distance, false, r.row});
      for (const auto& [d, i] : scan.best)
        if (filter.allows(v.tail->row(i).slot)) merged.push_back({d, true, i});
      if (v.tail->size() == upto) break;
    }
    std::sort(merged.begin(), merged.end(), [](const Candidate& a, const Candidate& b) {
      if (a.distance != b.distance) return a.distance < b.distance;
      return a.in_tail != b.in_tail ? b.in_tail : a.number < b.number;
    });
    if (merged.size() > search.k) merged.resize(search.k);
    if (search.explain && scan.seen > 0) {
      StageReport report;
      report.name = "tail";
      report.width = query.width;
      report.candidates_in = scan.seen;
      report.candidates_out = scan.best.size();
      report.distance_evaluations = scan.seen;
      report.coordinates_read = static_cast<std::uint64_t>(scan.seen) * query.width;
      report.stopped_because = "all rows read";
      answer.stages.push_back(std::move(report));
    }
    return merged;
  }

  Hit make_hit(const View& v, const Candidate& c) const {
    Hit hit;
    const PointEntry& point = c.in_tail ? v.tail->row(c.number).point : v.generation->point(c.number);
    const std::uint32_t value = c.in_tail ? v.tail->row(c.number).value : v.generation->value(c.number);
    hit.slot = c.in_tail ? v.tail->row(c.number).slot : v.generation->slot_of(c.number);
    hit.id = point.id();
    hit.version = point.version();
    hit.distance = c.distance;
    hit.score = score_from_distance(options.metric, c.distance);
    if (value != kNoValue) hit.value = value;
    return hit;
  }

  QueryResult finish(const View& v, const PreparedQuery& query, const SearchOptions& search, RowAnswer answer) const {
    QueryResult result;
    const auto merged = merge_tail(v, query, search, answer);
    result.hits.reserve(merged.size());
    for (const Candidate& c : merged) result.hits.push_back(make_hit(v, c));
    result.stages = std::move(answer.stages);
    return result;
  }

  static StageReport scan_report(const Generation& generation, std::uint32_t width, std::size_t found) {
    StageReport report;
    report.name = "scan";
    report.width = width;
    report.candidates_in = generation.rows();
    report.candidates_out = found;
    report.distance_evaluations = generation.rows();
    report.coordinates_read = static_cast<std::uint64_t>(generation.rows()) * width;
    report.stopped_because = "all rows read";
    return report;
  }

  // Answers queries [count x length] from one view. When a new generation is published meanwhile, later writes
  // went to its tail and only their deaths would be seen here, so the block is answered again.
  void search_consistently(std::span<const float> queries, std::size_t count, const SearchOptions& search,
                           QueryResult* results) const {
    const std::size_t length = queries.size() / count;
    for (auto v = current();; v = current()) {
      std::vector<PreparedQuery> prepared;
      prepared.reserve(count);
      for (std::size_t i = 0; i < count; ++i)
        prepared.push_back(prepare_query(*v->generation, queries.subspan(i * length, length), search));
      search_block(*v, prepared, search, results);
      if (current() == v) return;
    }
  }

  // Queries of one block share one view; exact ones share one pass over the rows.
  void search_block(const View& v, std::span<const PreparedQuery> queries, const SearchOptions& search,
                    QueryResult* results) const {
    const Generation& generation = *v.generation;
    const RowFilter filter(generation, dead, search.allowed_slots);
    SearchOptions with_width = search;
    with_width.width = queries.front().width;
    const LadderPlan plan = plan_ladder(options, generation, with_width);
    std::vector<std::size_t> to_scan;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if (plan.exact) {
        to_scan.push_back(i);
        continue;
      }
      RowAnswer answer = search_ladder(generation, options.metric, queries[i].values.data(), plan, filter, search.k,
                                       search.explain);
      // A filter or many deletions can starve the walk; the scan always finds what is there.
      if (answer.rows.size() < std::min<std::size_t>(search.k, generation.rows()))
        to_scan.push_back(i);
      else
        results[i] = finish(v, queries[i], search, std::move(answer));
    }
    if (to_scan.empty()) return;
    std::vector<float> together;
    for (const std::size_t i : to_scan) together.insert(together.end(), queries[i].values.begin(), queries[i].values.end());
    auto answers = scan_rows(generation, options.metric, together, to_scan.size(), plan.rank_width, filter, search.k);
    for (std::size_t j = 0; j < to_scan.size(); ++j) {
      if (search.explain && generation.rows() > 0)
        answers[j].stages.push_back(scan_report(generation, plan.rank_width, answers[j].rows.size()));
      results[to_scan[j]] = finish(v, queries[to_scan[j]], search, std::move(answers[j]));
    }
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
Sequence Collection::upsert(std::span<const Point> points) { return impl_->upsert(points); }
Sequence Collection::erase(std::span<const PointId> ids) { return impl_->erase(ids); }

QueryResult Collection::search(std::span<const float> query, const SearchOptions& search) const {
  QueryResult result;
  impl_->search_consistently(query, 1, search, &result);
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
    impl_->search_consistently(queries.subspan(first * length, (last - first) * length), last - first, search,
                               results.data() + first);
  });
  return results;
}

std::optional<Record> Collection::get(const PointId& id, bool with_vector, bool with_payload) const {
  Slot slot = kNoSlot;
  impl_->records->find({&id, 1}, {&slot, 1});
  if (slot == kNoSlot) return std::nullopt;
  const auto header = impl_->records->header(slot);
  if (!header) return std::nullopt;
  Record record{header->id, header->version, {}, {}, header->value};
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

BuildReport Collection::build(const BuildOptions& options) {
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

}  // namespace nestor::index
