#include "index/view_search.h"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <vector>

#include "index/exact_scan.h"
#include "index/error.h"
#include "index/ladder.h"
#include "index/planner.h"
#include "index/prepared_vector.h"
#include "index/row_distance.h"
#include "index/row_list.h"
#include "index/top_k.h"

namespace nestor::index {
namespace {

class ViewSearch {
 public:
  ViewSearch(const View& view, const CollectionOptions& options, const DeadSlots& dead, const SearchOptions& search)
      : view_(view), generation_(*view.generation), options_(options), dead_(dead), search_(search) {}

  // Queries of one width.
  void run(std::span<const PreparedQuery> queries, QueryResult* results) const {
    const RowFilter filter(generation_, dead_, search_.allowed_slots);
    SearchOptions with_width = search_;
    with_width.width = queries.front().width;
    LadderPlan plan = plan_ladder(options_, generation_, with_width, view_.tuned.get());
    plan.live_share = view_.live_share->of(generation_, dead_);
    const std::size_t allowed = allowed_rows();
    std::vector<const PreparedQuery*> all;
    for (const PreparedQuery& query : queries) all.push_back(&query);
    plan_walk_or_scan(plan, generation_, search_,
                      {queries.size(), allowed, search_.k, filter.restricts(), scans_codes(request_for(all))});
    std::vector<std::size_t> to_scan;
    std::vector<RowAnswer> answers(queries.size());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if (!plan.exact)
        answers[i] = search_ladder(generation_, options_.metric, queries[i], plan, filter, search_.k, search_.explain);
      if (plan.exact || starved(plan, answers[i], allowed)) to_scan.push_back(i);
    }
    scan(queries, to_scan, answers);
    merge_tails(all, std::move(answers), results);
  }

 private:
  std::size_t allowed_rows() const {
    if (search_.allowed_slots.empty()) return generation_.rows();
    std::size_t allowed = 0;
    for (const std::uint64_t word : search_.allowed_slots) allowed += static_cast<std::size_t>(std::popcount(word));
    return std::min(allowed, generation_.rows());
  }

  // Whether the scan must answer after all. Few allowed candidates in a walk's pool mean that the filter, or many
  // deletions, refuse what is near the query: the nearest allowed rows lie where the walk has not been.
  bool starved(const LadderPlan& plan, const RowAnswer& answer, std::size_t allowed) const {
    const std::size_t wanted = std::min<std::size_t>(search_.k, allowed);
    if (answer.rows.size() < wanted || answer.unsure) return true;
    return !search_.allowed_slots.empty() && answer.shortlist < std::min<std::size_t>(plan.keep, allowed);
  }

  // Candidates from generation and tail, by distance; duplicates of an updated point cannot both be alive.
  struct Candidate {
    float distance;
    bool in_tail;
    std::uint32_t number;  // row or tail position
  };

  // Adds the tail's rows and drops what died meanwhile. A write appends before it kills: looping until no row was
  // appended since the last look at the dead misses no point, and of two versions seen together the newer one counts.
  std::vector<Candidate> merge_tail(const PreparedQuery& query, RowAnswer& answer, TailHits hits,
                                    std::size_t seen) const {
    const Tail& tail = *view_.tail;
    std::vector<Candidate> merged;
    for (std::size_t upto = tail.size();; upto = tail.size()) {
      const RowFilter filter(generation_, dead_, search_.allowed_slots);
      if (upto > seen) add_newer(query, filter, seen, upto, hits);
      seen = upto;
      merged.clear();
      for (const RankedRow& r : answer.rows)
        if (filter(r.row)) merged.push_back({r.distance, false, r.row});
      for (const auto& [d, i] : hits)
        if (filter.allows(tail.row(i).slot)) merged.push_back({d, true, i});
      if (tail.size() == upto) break;
    }
    if (!hits.empty()) {  // else the answer's own order
      std::sort(merged.begin(), merged.end(), [](const Candidate& a, const Candidate& b) {
        if (a.distance != b.distance) return a.distance < b.distance;
        return a.in_tail != b.in_tail ? b.in_tail : a.number < b.number;
      });
      drop_older_versions(merged);
    }
    if (merged.size() > search_.k) merged.resize(search_.k);
    if (search_.explain && seen > 0) answer.stages.push_back(tail_report(query.width, seen, hits.size()));
    return merged;
  }

  // Rows [seen, upto) of the tail: those appended since the batch's scan of it.
  void add_newer(const PreparedQuery& query, const RowFilter& filter, std::size_t seen, std::size_t upto,
                 TailHits& hits) const {
    const Tail& tail = *view_.tail;
    RowDistance distance(generation_, options_.metric, query, options_.dim);
    TopK top(search_.k);
    for (const auto& [d, i] : hits)  // what died meanwhile must not crowd out what lives
      if (filter.allows(tail.row(i).slot)) top.offer(d, i);
    for (std::size_t i = seen; i < upto; ++i)
      if (filter.allows(tail.row(i).slot)) top.offer(distance(tail.vector(i)), static_cast<std::uint32_t>(i));
    hits = top.take();
  }

  void drop_older_versions(std::vector<Candidate>& candidates) const {
    std::unordered_map<PointId, Slot, PointIdHash> newest;
    for (const Candidate& c : candidates) {
      Slot& slot = newest.try_emplace(point(c).id(), slot_of(c)).first->second;
      slot = std::max(slot, slot_of(c));
    }
    if (newest.size() == candidates.size()) return;
    std::erase_if(candidates, [&](const Candidate& c) { return newest[point(c).id()] != slot_of(c); });
  }

  const PointEntry& point(const Candidate& c) const {
    return c.in_tail ? view_.tail->row(c.number).point : generation_.point(c.number);
  }
  Slot slot_of(const Candidate& c) const {
    return c.in_tail ? view_.tail->row(c.number).slot : generation_.slot_of(c.number);
  }

  Hit make_hit(const Candidate& c) const {
    Hit hit;
    const std::uint32_t value = c.in_tail ? view_.tail->row(c.number).value : generation_.value(c.number);
    hit.slot = slot_of(c);
    if (search_.with_ids) {
      hit.id = point(c).id();
      hit.version = point(c).version();
    }
    hit.distance = c.distance;
    hit.score = score_from_distance(options_.metric, c.distance);
    if (value != kNoValue) hit.value = value;
    return hit;
  }

  QueryResult finish(const PreparedQuery& query, RowAnswer answer, TailHits hits, std::size_t seen) const {
    QueryResult result;
    const auto merged = merge_tail(query, answer, std::move(hits), seen);
    result.hits.reserve(merged.size());
    // What a hit needs of its point lies anywhere in three arrays: for large k that is thousands of waits.
    constexpr std::size_t kAhead = 8;
    for (std::size_t i = 0; i < merged.size(); ++i) {
      if (i + kAhead < merged.size() && !merged[i + kAhead].in_tail)
        generation_.prefetch_hit(merged[i + kAhead].number, search_.with_ids);
      result.hits.push_back(make_hit(merged[i]));
    }
    result.stages = std::move(answer.stages);
    result.exit_stage = answer.exit_stage;
    result.numbering = view_.numbering();
    return result;
  }

  static StageReport tail_report(std::uint32_t width, std::size_t rows, std::size_t found) {
    return {"tail", width, rows, found, rows, static_cast<std::uint64_t>(rows) * width, 0, "all rows read"};
  }

  ScanRequest request_for(std::span<const PreparedQuery* const> queries) const {
    return {&generation_,
            options_.metric,
            options_.dim,
            queries,
            search_.k,
            search_.explain,
            search_.exact ? ScanMargin::certain : ScanMargin::trusted};
  }

  // One pass over the rows for all queries that need it.
  void scan(std::span<const PreparedQuery> queries, std::span<const std::size_t> to_scan,
            std::vector<RowAnswer>& answers) const {
    if (to_scan.empty()) return;
    std::vector<const PreparedQuery*> scanned;
    for (const std::size_t i : to_scan) scanned.push_back(&queries[i]);
    auto found = scan_generation(request_for(scanned), list_rows(generation_, dead_, search_.allowed_slots));
    for (std::size_t j = 0; j < to_scan.size(); ++j) {
      RowAnswer& answer = answers[to_scan[j]];
      answer.rows = std::move(found[j].rows);
      answer.stages.insert(answer.stages.end(), found[j].stages.begin(), found[j].stages.end());
    }
  }

  // One pass over the tail for all queries, then what each of them must see of writes that happened meanwhile.
  void merge_tails(std::span<const PreparedQuery* const> queries, std::vector<RowAnswer> answers,
                   QueryResult* results) const {
    const RowFilter filter(generation_, dead_, search_.allowed_slots);
    const std::size_t seen = view_.tail->size();
    auto hits = scan_tail(request_for(queries), *view_.tail, seen, filter);
    for (std::size_t i = 0; i < queries.size(); ++i)
      results[i] = finish(*queries[i], std::move(answers[i]), std::move(hits[i]), seen);
  }

  const View& view_;
  const Generation& generation_;
  const CollectionOptions& options_;
  const DeadSlots& dead_;
  const SearchOptions& search_;
};

}  // namespace

bool selected_otherwise(const View& view, const SearchOptions& search) {
  return !search.allowed_slots.empty() && search.allowed_numbering != 0 &&
         search.allowed_numbering != view.numbering();
}

std::vector<std::uint64_t> renumber_slots(const View& view, std::span<const std::uint64_t> slots,
                                          std::uint64_t numbering) {
  if (numbering == view.numbering()) return {slots.begin(), slots.end()};
  if (view.renumbering == nullptr || view.renumbering->from != numbering)
    throw Error(ErrorCode::unavailable,
                "the collection was compacted more than once since its rows were chosen; choose them again");
  const std::vector<Slot>& new_slot = view.renumbering->new_slot;
  std::vector<std::uint64_t> out(1, 0);  // one word: nothing chosen is not "everything"
  for (std::size_t old = 0; old < std::min(slots.size() * 64, new_slot.size()); ++old) {
    if ((slots[old / 64] >> (old % 64) & 1) == 0 || new_slot[old] == kNoSlot) continue;
    out.resize(std::max<std::size_t>(out.size(), new_slot[old] / 64 + 1));
    out[new_slot[old] / 64] |= std::uint64_t{1} << (new_slot[old] % 64);
  }
  return out;
}

void search_view(const View& view, const CollectionOptions& options, std::span<const float> queries, std::size_t count,
                 const SearchOptions& search, QueryResult* results) {
  if (selected_otherwise(view, search)) {
    const std::vector<std::uint64_t> renumbered = renumber_slots(view, search.allowed_slots, search.allowed_numbering);
    SearchOptions now = search;
    now.allowed_slots = renumbered;
    now.allowed_numbering = view.numbering();
    return search_view(view, options, queries, count, now, results);
  }
  const std::size_t length = queries.size() / count;
  std::vector<PreparedQuery> prepared;
  prepared.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    prepared.push_back(prepare_query(options, *view.generation, queries.subspan(i * length, length), search));
  ViewSearch(view, options, *view.dead, search).run(prepared, results);
}

}  // namespace nestor::index
