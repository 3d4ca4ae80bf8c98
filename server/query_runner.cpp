#include "server/query_runner.h"

#include <algorithm>

#include "server/filter_selection.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

// k of the search below the page: a query by id finds its own point too.
std::uint32_t neighbours_needed(const QueryRequest& query) {
  const std::size_t extra = query.point ? 1 : 0;
  const std::size_t most = index::kMaxNeighbours - extra;
  if (query.limit > most || query.offset > most - query.limit)
    wrong_input("limit " + std::to_string(query.limit) + " with offset " + std::to_string(query.offset) +
                " asks for more than " + std::to_string(most) + " neighbours, the most one query may have");
  return static_cast<std::uint32_t>(query.limit + query.offset + extra);
}

bool passes(index::Metric metric, float score, float threshold) {
  return metric == index::Metric::l2 ? score < threshold : score > threshold;
}

void cut_to_page(const OpenCollection& target, const QueryRequest& query, std::vector<index::Hit>& hits) {
  const index::Metric metric = target->options().metric;
  std::erase_if(hits, [&](const index::Hit& hit) {
    return (query.point && hit.id == *query.point) ||
           (query.score_threshold && !passes(metric, hit.score, *query.score_threshold));
  });
  hits.erase(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(std::min(query.offset, hits.size())));
  if (hits.size() > query.limit) hits.resize(query.limit);
}

// Remembers the last filter's slots: the queries of a batch mostly share one.
class Selections {
 public:
  explicit Selections(const OpenCollection& target) : target_(target) {}

  // Restricts a search to what the query's filter accepts, until the next call.
  void restrict(index::SearchOptions& options, const QueryRequest& query) {
    if (!query.filter) return;
    if (slots_.empty() || query.filter_text != text_) {
      slots_ = select_slots(target_, *query.filter);
      text_ = query.filter_text;
    }
    options.allowed_slots = slots_;
    options.allowed_numbering = slots_.numbering;
  }

 private:
  const OpenCollection& target_;
  std::string_view text_;
  index::SelectedSlots slots_;
};

index::QueryResult list_filtered_points(const OpenCollection& target, const QueryRequest& query) {
  const auto ids = select_ids(target, *query.filter);
  index::QueryResult result;
  const std::size_t end = std::min<std::size_t>(ids.size(), neighbours_needed(query));
  for (std::size_t i = query.offset; i < end; ++i)
    if (const auto record = target->get(ids[i], false, false))
      result.hits.push_back({.id = record->id, .version = record->version, .value = record->value});
  return result;
}

// Without a query: points by id, all with score 0.
index::QueryResult list_points(const OpenCollection& target, const QueryRequest& query) {
  if (query.filter) return list_filtered_points(target, query);
  index::QueryResult result;
  const auto records = target->scroll(std::nullopt, neighbours_needed(query), false, false);
  for (std::size_t i = query.offset; i < records.size(); ++i)
    result.hits.push_back({.id = records[i].id, .version = records[i].version, .value = records[i].value});
  return result;
}

std::vector<float> vector_of(const OpenCollection& target, const index::PointId& id) {
  auto record = target->get(id, true, false);
  if (!record) throw HttpError(404, "Not found: Point with id " + index::to_string(id) + " does not exists!");
  return std::move(record->vector);
}

bool same_stages(std::span<const index::Stage> a, std::span<const index::Stage> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const index::Stage& x, const index::Stage& y) {
    return x.width == y.width && x.shortlist == y.shortlist;
  });
}

bool searched_together(const QueryRequest& a, const QueryRequest& b, std::size_t dim) {
  const index::SearchOptions &x = a.search, &y = b.search;
  return a.vector.size() == dim && b.vector.size() == dim && neighbours_needed(a) == neighbours_needed(b) &&
         x.exact == y.exact && x.width == y.width && x.candidates_to_explore == y.candidates_to_explore &&
         x.explain == y.explain && a.filter_text == b.filter_text && same_stages(x.stages, y.stages);
}

std::vector<index::QueryResult> search_together(const OpenCollection& target, std::span<const QueryRequest> queries,
                                                unsigned threads) {
  std::vector<float> rows;
  for (const QueryRequest& query : queries) rows.insert(rows.end(), query.vector.begin(), query.vector.end());
  index::SearchOptions options = queries.front().search;
  options.k = neighbours_needed(queries.front());
  Selections selections(target);
  selections.restrict(options, queries.front());
  auto results = target->search_batch(rows, queries.size(), options, threads);
  for (std::size_t i = 0; i < queries.size(); ++i) cut_to_page(target, queries[i], results[i].hits);
  return results;
}

index::QueryResult run_one(const OpenCollection& target, const QueryRequest& query, Selections& selections) {
  index::SearchOptions options = query.search;
  options.k = neighbours_needed(query);
  if (query.vector.empty() && !query.point) return list_points(target, query);
  selections.restrict(options, query);
  index::QueryResult result = query.point ? target->search(vector_of(target, *query.point), options)
                                          : target->search(query.vector, options);
  cut_to_page(target, query, result.hits);
  return result;
}

}  // namespace

index::QueryResult run_query(const OpenCollection& target, const QueryRequest& query) {
  Selections selections(target);
  return run_one(target, query, selections);
}

std::vector<index::QueryResult> run_queries(const OpenCollection& target, std::span<const QueryRequest> queries,
                                            unsigned threads) {
  const std::size_t dim = target->options().dim;
  const auto like_first = [&](const QueryRequest& query) { return searched_together(queries.front(), query, dim); };
  if (queries.size() > 1 && std::all_of(queries.begin(), queries.end(), like_first))
    return search_together(target, queries, threads);
  std::vector<index::QueryResult> results;
  results.reserve(queries.size());
  Selections selections(target);
  for (const QueryRequest& query : queries) results.push_back(run_one(target, query, selections));
  return results;
}

}  // namespace nestor::server
