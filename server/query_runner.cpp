#include "server/query_runner.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_set>

#include "server/diversity.h"
#include "server/example_scores.h"
#include "server/filter_selection.h"
#include "server/fusion.h"
#include "server/protocol.h"
#include "server/sampling.h"

namespace nestor::server {
namespace {

using Ids = std::unordered_set<index::PointId, index::PointIdHash>;

// Where a page ends; a limit may be larger than any collection. What is drawn at random has no pages.
std::size_t page_end(const QueryNode& node) {
  if (std::holds_alternative<SampleQuery>(node.query)) return node.limit;
  return node.limit + std::min(node.offset, std::numeric_limits<std::size_t>::max() - node.limit);
}

// Of the search below a page: examples that are points of the collection are found and left out again.
std::size_t hits_needed(const OpenCollection& target, const QueryNode& node, std::size_t excluded) {
  return std::min<std::size_t>(page_end(node), std::max<std::uint64_t>(target->count(), 1)) + excluded;
}

std::vector<QueryHit> query_hits(const std::vector<index::Hit>& found) {
  std::vector<QueryHit> hits;
  hits.reserve(found.size());
  for (const index::Hit& hit : found) hits.push_back({hit.id, hit.slot, hit.version, hit.score, hit.distance, {}});
  return hits;
}

SlotSet intersection(const OpenCollection& target, SlotSet a, SlotSet b) {
  if (!a || !b) return a ? a : b;
  while (a->numbering != b->numbering) {  // a compaction came between
    a = std::make_shared<const index::SelectedSlots>(target->renumbered(*a));
    b = std::make_shared<const index::SelectedSlots>(target->renumbered(*b));
  }
  std::vector<std::uint64_t> both(std::min(a->size(), b->size()));
  for (std::size_t i = 0; i < both.size(); ++i) both[i] = (*a)[i] & (*b)[i];
  return std::make_shared<const index::SelectedSlots>(std::move(both), a->numbering);
}

// Whether a smaller score is the better one in a query's answer.
bool smaller_is_better(const QueryNode& node, index::Metric metric) {
  const auto* examples = std::get_if<ExamplesQuery>(&node.query);
  const bool by_distance = std::holds_alternative<NearestQuery>(node.query) ||
                           (examples && examples->kind == ExamplesQuery::Kind::average_vector);
  return by_distance && metric == index::Metric::l2;
}

constexpr float kNoScore = 1;  // of hits that nothing was compared with, as the dialect has it

class NodeRun {
 public:
  NodeRun(const OpenCollection& target, Selections& selections, const QueryNode& node, SlotSet within)
      : target_(target), selections_(selections), node_(node),
        allowed_(intersection(target, std::move(within), selections.of(node))) {}

  QueryAnswer run() {
    std::visit([this](const auto& query) { prepare(query); }, node_.query);
    needed_ = hits_needed(target_, node_, excluded_.size());
    run_prefetches();
    std::visit([this](const auto& query) { answer(query); }, node_.query);
    cut_to_page();
    return std::move(answer_);
  }

 private:
  // ---- prefetches ----

  void run_prefetches() {
    for (std::size_t i = 0; i < node_.prefetch.size(); ++i) {
      const QueryNode& prefetch = node_.prefetch[i];
      QueryAnswer found = NodeRun(target_, selections_, prefetch, allowed_).run();
      for (index::StageReport& stage : found.stages) {
        stage.name = "prefetch[" + std::to_string(i) + "]." + stage.name;
        answer_.stages.push_back(std::move(stage));
      }
      lists_.push_back({std::move(found.hits), smaller_is_better(prefetch, metric()), found.numbering});
    }
    if (!lists_.empty() && !std::holds_alternative<FusionQuery>(node_.query)) allow_candidates_only();
  }

  void allow_candidates_only() {
    allowed_ = std::make_shared<const index::SelectedSlots>(candidates());
    only_candidates_ = true;
  }

  // By their slots, or by their ids where the slots are not known to be of one numbering.
  index::SelectedSlots candidates() const {
    const std::uint64_t numbering = lists_.front().numbering;
    const bool one = numbering != 0 && std::all_of(lists_.begin(), lists_.end(), [&](const RankedList& list) {
                       return list.numbering == numbering;
                     });
    if (!one) {
      std::vector<index::PointId> ids;
      for (const RankedList& list : lists_)
        for (const QueryHit& hit : list.hits) ids.push_back(hit.id);
      return target_->select_slots(choice_of(std::move(ids)));
    }
    index::SelectedSlots slots(std::vector<std::uint64_t>(1), numbering);
    for (const RankedList& list : lists_)
      for (const QueryHit& hit : list.hits) {
        const std::size_t word = hit.slot / 64;
        if (word >= slots.size()) slots.resize(word + 1);
        slots[word] |= std::uint64_t{1} << (hit.slot % 64);
      }
    return slots;
  }

  // ---- examples: which vectors are meant, which points are left out ----

  void prepare(const NearestQuery& query) { add_example(query.near); }
  void prepare(const ExamplesQuery& query) {
    if (query.target) add_example(*query.target);
    for (const VectorInput& input : query.positive) add_example(input);
    for (const VectorInput& input : query.negative) add_example(input);
  }
  template <typename Other>
  void prepare(const Other&) {}

  void add_example(const VectorInput& input) {
    if (!input.point) {
      examples_.push_back(input.vector);
      return;
    }
    const index::Collection& home = node_.lookup_from ? *node_.lookup_from : *target_.collection;
    auto record = home.get(*input.point, true, false);
    if (!record) throw HttpError(404, "Not found: No point with id " + index::to_string(*input.point) + " found");
    examples_.push_back(std::move(record->vector));
    if (&home == target_.collection.get()) excluded_.insert(*input.point);
  }

  // ---- the kinds of query ----

  index::SearchOptions options() const {
    index::SearchOptions options = node_.search;
    options.k = static_cast<std::uint32_t>(needed_);
    if (allowed_) {
      options.allowed_slots = *allowed_;
      options.allowed_numbering = allowed_->numbering;
    }
    options.filter_name = node_.filter_text;
    if (only_candidates_) {  // exact already
      options.exact = true;
      options.target_recall.reset();
      options.max_latency_ms.reset();
    }
    return options;
  }

  void take(index::QueryResult found) {
    answer_.hits = query_hits(found.hits);
    answer_.stages.insert(answer_.stages.end(), found.stages.begin(), found.stages.end());
    answer_.certification = found.certification;
    answer_.numbering = found.numbering;
  }

  // Beyond what a walk finds every row is compared.
  void search(std::span<const float> query, index::SearchOptions search) {
    if (search.k <= index::kMaxNeighbours) return take(target_->search(query, search));
    if (!search.stages.empty())
      wrong_input("`stages` lead to " + std::to_string(index::kMaxNeighbours) + " neighbours at most, " +
                  std::to_string(search.k) + " are asked for");
    index::QueryResult all =
        target_->search_combined({query, 1, [](std::span<const float> distances) { return -distances[0]; }}, search);
    for (index::Hit& hit : all.hits) hit.score = index::score_from_distance(metric(), hit.distance);
    if (search.target_recall || search.max_latency_ms) all.certification = index::Certification{true, 0, 1, "scan", ""};
    take(std::move(all));
  }

  void answer(const NearestQuery& query) {
    index::SearchOptions wanted = options();
    if (query.diversity)
      wanted.k =
          static_cast<std::uint32_t>(std::max(needed_, query.diversity->candidates.value_or(0) + excluded_.size()));
    search(examples_.front(), wanted);
    if (!query.diversity) return;
    leave_out_examples();
    leave_out_below_threshold();
    answer_.hits = diversify(target_, std::move(answer_.hits), query.diversity->share, page_end(node_));
  }

  void answer(const ExamplesQuery& query) {
    if (query.kind == ExamplesQuery::Kind::average_vector) {
      const std::span<const std::vector<float>> all(examples_);
      return search(average_vector(all.first(query.positive.size()), all.subspan(query.positive.size())), options());
    }
    std::vector<float> rows;
    for (const auto& example : examples_) rows.insert(rows.end(), example.begin(), example.end());
    take(target_->search_combined({rows, examples_.size(), example_score(query, metric())}, options()));
  }

  void answer(const FusionQuery& query) { answer_.hits = fuse(lists_, query); }

  void answer(const OrderBy& order) {
    for (OrderedPoint& point : points_in_order(target_, order, allowed_.get(), needed_))
      answer_.hits.push_back({point.id, point.slot, point.version, kNoScore, 0, std::move(point.value)});
  }

  void answer(const SampleQuery&) {
    for (const index::RowHeader& row : sample_rows(target_, allowed_.get(), needed_))
      answer_.hits.push_back({row.id, row.slot, row.version, kNoScore, 0, {}});
  }

  // Points by id.
  void answer(const ListQuery&) {
    if (!allowed_) {
      for (const index::Record& record : target_->scroll(std::nullopt, needed_, false, false))
        answer_.hits.push_back({record.id, record.slot, record.version, kNoScore, 0, {}});
      return;
    }
    for_each_row(target_, allowed_.get(), [&](const index::RowHeader& row) {
      answer_.hits.push_back({row.id, row.slot, row.version, kNoScore, 0, {}});
    });
    std::sort(answer_.hits.begin(), answer_.hits.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  }

  // ---- the page ----

  void leave_out_examples() {
    if (!excluded_.empty()) std::erase_if(answer_.hits, [&](const QueryHit& hit) { return excluded_.contains(hit.id); });
  }

  // Queries without scores have no threshold, see QueryReader.
  void leave_out_below_threshold() {
    if (!node_.score_threshold) return;
    const float threshold = *node_.score_threshold;
    const bool smaller = smaller_is_better(node_, metric());
    std::erase_if(answer_.hits,
                  [&](const QueryHit& hit) { return smaller ? hit.score >= threshold : hit.score <= threshold; });
  }

  void cut_to_page() {
    auto& hits = answer_.hits;
    leave_out_examples();
    leave_out_below_threshold();
    const std::size_t first = std::holds_alternative<SampleQuery>(node_.query) ? 0 : node_.offset;
    hits.erase(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(std::min(first, hits.size())));
    if (hits.size() > node_.limit) hits.resize(node_.limit);
  }

  index::Metric metric() const { return target_->options().metric; }

  const OpenCollection& target_;
  Selections& selections_;
  const QueryNode& node_;
  SlotSet allowed_;
  std::size_t needed_ = 0;
  Ids excluded_;
  std::vector<std::vector<float>> examples_;
  std::vector<RankedList> lists_;
  bool only_candidates_ = false;  // allowed_ is what the prefetches found
  QueryAnswer answer_;
};

// ---- batches ----

// The vector of a plain search, null for any other query.
const std::vector<float>* plain_vector(const QueryNode& node, std::size_t dim) {
  const auto* nearest = std::get_if<NearestQuery>(&node.query);
  if (!nearest || nearest->diversity || !node.prefetch.empty() || nearest->near.vector.size() != dim) return nullptr;
  return &nearest->near.vector;
}

bool searched_together(const QueryNode& a, const QueryNode& b, std::size_t dim) {
  return plain_vector(a, dim) && plain_vector(b, dim) && page_end(a) <= index::kMaxNeighbours &&
         page_end(a) == page_end(b) && a.search == b.search && a.filter_text == b.filter_text;
}

void cut_plain(const QueryNode& node, index::Metric metric, QueryAnswer& answer) {
  auto& hits = answer.hits;
  if (node.score_threshold)
    std::erase_if(hits, [&](const QueryHit& hit) {
      return metric == index::Metric::l2 ? hit.score >= *node.score_threshold : hit.score <= *node.score_threshold;
    });
  hits.erase(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(std::min(node.offset, hits.size())));
  if (hits.size() > node.limit) hits.resize(node.limit);
}

std::vector<QueryAnswer> search_together(const OpenCollection& target, std::span<const QueryRequest> queries,
                                         unsigned threads) {
  const std::size_t dim = target->options().dim;
  const QueryNode& first = queries.front().node;
  std::vector<float> rows;
  for (const QueryRequest& query : queries) {
    const auto& vector = *plain_vector(query.node, dim);
    rows.insert(rows.end(), vector.begin(), vector.end());
  }
  index::SearchOptions options = first.search;
  options.k = static_cast<std::uint32_t>(hits_needed(target, first, 0));
  Selections selections(target);
  const SlotSet allowed = selections.of(first);
  if (allowed) {
    options.allowed_slots = *allowed;
    options.allowed_numbering = allowed->numbering;
  }
  options.filter_name = first.filter_text;
  auto results = target->search_batch(rows, queries.size(), options, threads);
  std::vector<QueryAnswer> answers;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    answers.push_back({query_hits(results[i].hits), std::move(results[i].stages), results[i].certification});
    cut_plain(queries[i].node, target->options().metric, answers.back());
  }
  return answers;
}

}  // namespace

SlotSet Selections::of(const QueryNode& node) {
  if (!node.filter) return nullptr;
  for (const auto& [text, slots] : known_)
    if (text == node.filter_text) return slots;
  const index::Sequence sequence = target_->info().sequence;
  SlotSet slots = target_.selections->find(node.filter_text, sequence);
  if (!slots || slots->numbering != target_->numbering()) {
    slots = std::make_shared<const index::SelectedSlots>(select_slots(target_, *node.filter));
    target_.selections->put(node.filter_text, sequence, slots);
  }
  if (known_.size() < 16) known_.emplace_back(node.filter_text, slots);
  return slots;
}

QueryAnswer run_query(const OpenCollection& target, const QueryNode& query) {
  Selections selections(target);
  return NodeRun(target, selections, query, nullptr).run();
}

std::vector<QueryAnswer> run_queries(const OpenCollection& target, std::span<const QueryRequest> queries,
                                     unsigned threads) {
  const std::size_t dim = target->options().dim;
  const auto like_first = [&](const QueryRequest& query) {
    return searched_together(queries.front().node, query.node, dim);
  };
  if (queries.size() > 1 && std::all_of(queries.begin(), queries.end(), like_first))
    return search_together(target, queries, threads);
  std::vector<QueryAnswer> answers;
  answers.reserve(queries.size());
  Selections selections(target);
  for (const QueryRequest& query : queries) answers.push_back(NodeRun(target, selections, query.node, nullptr).run());
  return answers;
}

}  // namespace nestor::server
