#include "index/collection.h"

#include <algorithm>
#include <utility>

#include "index/collection_impl.h"
#include "index/recall_report.h"
#include "index/combined_search.h"
#include "index/error.h"
#include "index/parallel.h"
#include "index/payload_check.h"

namespace nestor::index {
namespace {

// A choice within slots of an earlier numbering, as it is to be asked of a view.
class ChoiceOfNow {
 public:
  ChoiceOfNow(const View& view, const RowChoice& choice) : choice_(choice) {
    if (choice.within == nullptr || choice.within->numbering == 0 || choice.within->numbering == view.numbering())
      return;
    within_ = {renumber_slots(view, *choice.within, choice.within->numbering), view.numbering()};
    choice_.within = &within_;
  }
  ChoiceOfNow(const ChoiceOfNow&) = delete;
  ChoiceOfNow& operator=(const ChoiceOfNow&) = delete;
  const RowChoice& choice() const { return choice_; }

 private:
  RowChoice choice_;
  SelectedSlots within_;
};

const BuildOptions& checked(const BuildOptions& options, std::size_t dim) {
  if (options.wanted_recall && !(*options.wanted_recall > 0 && *options.wanted_recall < 1))
    throw Error(ErrorCode::invalid_argument,
                "wanted recall " + std::to_string(*options.wanted_recall) + " must lie between 0 and 1");
  if (options.queries.size() % dim != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(options.queries.size()) +
                                                 " numbers do not make queries of " + std::to_string(dim) + " coordinates");
  return options;
}

}  // namespace

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
    QueryResult result = index::search_combined(*view, impl_->options, query, options);
    if (impl_->current() == view) return result;
  }
}

std::optional<Record> Collection::get(const PointId& id, bool with_vector, bool with_payload) const {
  const auto view = impl_->current();
  Slot slot = kNoSlot, seen = kNoSlot;
  // A point that is replaced between two reads is read again under its new slot.
  for (view->records->find({&id, 1}, {&slot, 1}); slot != seen; view->records->find({&id, 1}, {&slot, 1})) {
    seen = slot;
    const auto header = view->records->header(slot);
    if (!header) continue;
    Record record{header->id, header->version, {}, {}, header->value, slot};
    if (with_vector) {
      record.vector.resize(impl_->options.dim);
      if (!view->records->read_vector(slot, record.vector)) continue;
    }
    if (with_payload) record.payload = impl_->readable_payload(id, view->records->read_payload(slot));
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

std::uint64_t Collection::numbering() const { return impl_->current()->numbering(); }

SelectedSlots Collection::renumbered(const SelectedSlots& slots) const {
  const auto view = impl_->current();
  return {renumber_slots(*view, slots, slots.numbering), view->numbering()};
}

SelectedSlots Collection::select_slots(const RowChoice& choice) const {
  const auto view = impl_->current();
  const ChoiceOfNow now(*view, choice);
  return {choose_slots(*view->records, now.choice()), view->numbering()};
}
std::vector<PointId> Collection::select_ids(const RowChoice& choice) const {
  const auto view = impl_->current();
  return choose_ids(*view->records, ChoiceOfNow(*view, choice).choice());
}

RowReader Collection::rows() const { return {impl_->current(), impl_->options}; }
std::uint64_t Collection::for_each_payload(
    Slot first, const std::function<bool(const RowHeader&, std::string_view)>& visit) const {
  const auto view = impl_->current();
  view->records->for_each_payload(first, visit);
  return view->numbering();
}
Sequence Collection::payload_sequence() const {
  constexpr int kCompactionShift = 48;
  return impl_->payload_sequence.load() + (impl_->compactions.load() << kCompactionShift);
}

SelectedSlots Collection::live_slots(Slot end) const {
  const auto view = impl_->current();
  std::vector<std::uint64_t> words(std::max<std::size_t>(1, (std::size_t{end} + 63) / 64));
  for (Slot slot = 0; slot < end; ++slot)
    if (!view->dead->contains(slot)) words[slot / 64] |= std::uint64_t{1} << (slot % 64);
  return {std::move(words), view->numbering()};
}

BuildReport Collection::build(const BuildOptions& options) { return impl_->build(checked(options, impl_->options.dim)); }
BuildReport Collection::fold(const BuildOptions& options) { return impl_->fold(checked(options, impl_->options.dim)); }
BuildReport Collection::compact(const BuildOptions& options) { return impl_->compact(checked(options, impl_->options.dim)); }
BuildReport Collection::maintain(const BuildOptions& options) {
  switch (impl_->due()) {
    case Impl::Due::compaction: return compact(options);
    case Impl::Due::fold: return fold(options);
    default: return build(options);
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
  info.read_only_because = view->records->write_trouble();
  info.memory = view->generation->memory();
  info.recall = report_recall(*view->generation, impl_->options);
  info.memory.tail = view->tail->bytes();
  if (!view->generation->graphs().empty()) {
    std::uint64_t alive_in_tail = 0;
    for (std::size_t i = 0; i < info.tail_rows; ++i)
      if (!view->dead->contains(view->tail->row(i).slot)) ++alive_in_tail;
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
void Collection::use_tuned_policy(const std::optional<TunedPolicy>& tuned) { impl_->use_tuned_policy(tuned); }
std::optional<TunedPolicy> Collection::tuned_policy() const {
  const auto view = impl_->current();
  return view->tuned ? std::optional(*view->tuned) : std::nullopt;
}
ServedState Collection::served_state() const { return impl_->served(*impl_->current()); }
PolicySpace Collection::policy_space(std::uint32_t k) const { return impl_->space(*impl_->current(), k); }
std::vector<SampledRow> Collection::sample_rows(std::size_t count, std::uint64_t seed) const {
  return impl_->sample_rows(count, seed);
}

}  // namespace nestor::index
