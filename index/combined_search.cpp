#include "index/combined_search.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <vector>

#include "index/error.h"
#include "index/ladder.h"
#include "index/prepared_vector.h"
#include "index/row_distance.h"
#include "index/top_k.h"

namespace nestor::index {
namespace {

class CombinedScan {
 public:
  CombinedScan(const View& view, const CollectionOptions& options, const CombinedQuery& query,
               const SearchOptions& search)
      : view_(view), generation_(*view.generation), dead_(*view.dead), query_(query), search_(search) {
    const std::size_t length = query.examples.size() / query.count;
    prepared_.reserve(query.count);
    for (std::size_t i = 0; i < query.count; ++i)
      prepared_.push_back(
          prepare_query(options, generation_, query.examples.subspan(i * length, length), search_));
    for (const PreparedQuery& example : prepared_)
      distances_.emplace_back(generation_, options.metric, example, options.dim);
    values_.resize(query.count);
  }

  QueryResult run() {
    const auto start = std::chrono::steady_clock::now();
    TopK rows(search_.k);
    const RowFilter first_look(generation_, dead_, search_.allowed_slots);
    for (std::uint32_t row = 0; row < generation_.rows(); ++row)
      if (first_look(row)) rows.offer(-score(generation_.matrix(), row), row);
    QueryResult result;
    result.hits = merge_tail(rows.take());
    result.numbering = view_.numbering();
    if (search_.explain) {
      StageReport report;
      report.name = "scan";
      report.width = prepared_.front().width;
      report.candidates_in = generation_.rows() + view_.tail->size();
      report.candidates_out = result.hits.size();
      report.distance_evaluations = evaluations_;
      report.coordinates_read = evaluations_ * report.width;
      report.microseconds = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
      report.stopped_because = "all rows read";
      result.stages.push_back(std::move(report));
    }
    return result;
  }

 private:
  using Scored = std::vector<std::pair<float, std::uint32_t>>;

  template <typename... Row>
  float score(const Row&... row) {
    for (std::size_t i = 0; i < distances_.size(); ++i) values_[i] = distances_[i](row...);
    evaluations_ += values_.size();
    return query_.score(values_);
  }

  // As ViewSearch does: a write appends before it kills, so nothing is missed when no row was appended since the last
  // look at the dead.
  std::vector<Hit> merge_tail(const Scored& rows) {
    const Tail& tail = *view_.tail;
    Scored scored;
    std::size_t seen = 0;
    for (std::size_t upto = tail.size();; upto = tail.size()) {
      const RowFilter filter(generation_, dead_, search_.allowed_slots);
      TopK top(search_.k);
      for (const auto& [distance, i] : scored) top.offer(distance, i);
      for (; seen < upto; ++seen)
        if (filter.allows(tail.row(seen).slot)) top.offer(-score(tail.vector(seen)), static_cast<std::uint32_t>(seen));
      scored = top.take();
      std::vector<Hit> hits;
      for (const auto& [distance, row] : rows)
        if (filter(row)) hits.push_back(hit(generation_.slot_of(row), generation_.point(row), generation_.value(row), distance));
      for (const auto& [distance, i] : scored)
        if (const TailRow& row = tail.row(i); filter.allows(row.slot))
          hits.push_back(hit(row.slot, row.point, row.value, distance));
      if (tail.size() == upto) return best_of(std::move(hits));
    }
  }

  static Hit hit(Slot slot, const PointEntry& point, std::uint32_t value, float distance) {
    Hit out{point.id(), distance, -distance, point.version(), std::nullopt, slot};
    if (value != kNoValue) out.value = value;
    return out;
  }

  // Of two versions of a point seen together the newer one counts.
  std::vector<Hit> best_of(std::vector<Hit> hits) const {
    std::unordered_map<PointId, Slot, PointIdHash> newest;
    for (const Hit& h : hits) {
      Slot& slot = newest.try_emplace(h.id, h.slot).first->second;
      slot = std::max(slot, h.slot);
    }
    std::erase_if(hits, [&](const Hit& h) { return newest[h.id] != h.slot; });
    std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
    });
    if (hits.size() > search_.k) hits.resize(search_.k);
    return hits;
  }

  const View& view_;
  const Generation& generation_;
  const DeadSlots& dead_;
  const CombinedQuery& query_;
  const SearchOptions& search_;
  std::vector<PreparedQuery> prepared_;
  std::vector<RowDistance> distances_;
  std::vector<float> values_;
  std::uint64_t evaluations_ = 0;
};

}  // namespace

QueryResult search_combined(const View& view, const CollectionOptions& options, const CombinedQuery& query,
                            const SearchOptions& search) {
  if (query.count == 0 || query.examples.size() % query.count != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(query.examples.size()) + " values do not make " +
                                                 std::to_string(query.count) + " examples of one length");
  if (selected_otherwise(view, search)) {
    const auto renumbered = renumber_slots(view, search.allowed_slots, search.allowed_numbering);
    SearchOptions now = search;
    now.allowed_slots = renumbered;
    now.allowed_numbering = view.numbering();
    return CombinedScan(view, options, query, now).run();
  }
  return CombinedScan(view, options, query, search).run();
}

}  // namespace nestor::index
