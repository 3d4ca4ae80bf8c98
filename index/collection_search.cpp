#include <algorithm>
#include <random>
#include <utility>

#include "index/collection_impl.h"
#include "index/error.h"

namespace nestor::index {

// A new generation published during a search takes later writes into its own tail; here only the deaths they
// caused would be seen. So the block is then answered again.
void Collection::Impl::search(std::span<const float> queries, std::size_t count, const SearchOptions& search,
                              QueryResult* results) const {
  for (auto v = current();; v = current()) {
    if (search.target_recall || search.max_latency_ms)
      search_to_target(*v, queries, count, search, results);
    else
      search_view(*v, options, queries, count, search, results);
    if (current() == v) return;
  }
}

ServedState Collection::Impl::served(const View& v) const {
  return {v.generation->sequence(), v.generation->fingerprint(), next_slot_now.load(), points.load()};
}

PolicySpace Collection::Impl::space(const View& v, std::uint32_t k) const {
  const WidthGraph* graph = v.generation->graph_for(options.dim);
  const auto coded = static_cast<std::uint32_t>(v.generation->quantizer().dim());
  return {k, graph == nullptr ? options.dim : graph->width, coded, options.dim,
          v.generation->codes().walks_coarse()};
}

// A scan misses nothing, so it keeps any promise; without a graph every search is one.
void Collection::Impl::search_to_target(const View& v, std::span<const float> queries, std::size_t count,
                                        const SearchOptions& search, QueryResult* results) const {
  if (search.candidates_to_explore || search.distance_gap || !search.stages.empty() || search.policy ||
      !search.exact_distances)
    throw Error(ErrorCode::invalid_argument,
                "a target recall or latency budget decides how deep the search goes: leave out ef, distance gap, "
                "stages and exact_distances");
  DepthChoice depth = book.choose(search, {served(v), space(v, search.k), options.metric});
  SearchOptions deep = search;
  deep.exact = search.exact || (search.target_recall && *search.target_recall >= 1) || v.generation->graphs().empty();
  if (deep.exact)
    depth.certification = {true, 0, 1, {}, "exact search"};
  else
    deep.policy = depth.policy;
  search_view(v, options, queries, count, deep, results);
  for (std::size_t i = 0; i < count; ++i) {
    results[i].certification = depth.certification;
    results[i].certification->exit_stage = results[i].exit_stage;
  }
}

std::vector<SampledRow> Collection::Impl::sample_rows(std::size_t count, std::uint64_t seed) const {
  const auto from = current()->records;
  std::vector<Slot> slots;
  from->for_each_header(0, [&](const RowHeader& header) {
    slots.push_back(header.slot);
    return true;
  });
  std::mt19937_64 rng(seed);
  std::vector<SampledRow> rows;
  for (std::size_t i = 0; i < slots.size() && rows.size() < count; ++i) {  // Fisher-Yates, as far as needed
    std::swap(slots[i], slots[i + rng() % (slots.size() - i)]);
    SampledRow row{slots[i], std::vector<float>(options.dim)};
    if (from->read_vector(row.slot, row.vector)) rows.push_back(std::move(row));
  }
  return rows;
}

// ---- certificates ----

// A measurement that cannot be read is one to take again, and no reason to keep the rows from being served.
void Collection::Impl::load_certificates() {
  try {
    book.replace(records->read_certificates());
  } catch (const Error& e) {
    if (e.code() != ErrorCode::data_loss && e.code() != ErrorCode::failed_precondition) throw;
    say(std::string(e.what()) + "; calibrate again");
  }
}

std::vector<Certificate> Collection::Impl::keep_certificates(std::vector<Certificate> fresh) {
  const std::lock_guard lock(certificate_mutex);
  const auto v = current();
  const ServedState now = served(*v);
  for (const Certificate& c : fresh)
    if (const std::string stale = why_stale(c, now); !stale.empty())
      throw Error(ErrorCode::failed_precondition, "the calibration is out of date: " + stale);
  const std::size_t count = fresh.size();
  auto list = merged(*book.all(), std::move(fresh), now);
  v->records->write_certificates(list);
  std::vector<Certificate> kept(list.end() - static_cast<std::ptrdiff_t>(count), list.end());
  book.replace(std::move(list));
  return kept;
}

std::shared_ptr<const TunedPolicy> Collection::Impl::load_tuned_policy() const {
  try {
    if (const auto tuned = records->read_tuned_policy()) return std::make_shared<const TunedPolicy>(*tuned);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::data_loss && e.code() != ErrorCode::failed_precondition) throw;
    say(std::string(e.what()) + "; the default of the build serves, tune again");
  }
  return nullptr;
}

void Collection::Impl::use_tuned_policy(const std::optional<TunedPolicy>& tuned) {
  const std::lock_guard against_compaction(certificate_mutex);
  const std::lock_guard lock(write_mutex);
  records->write_tuned_policy(tuned);
  View next = *current();
  next.tuned = tuned ? std::make_shared<const TunedPolicy>(*tuned) : nullptr;
  replace_view(std::move(next));
}

std::size_t Collection::Impl::drop_certificates() {
  const std::lock_guard lock(certificate_mutex);
  const std::size_t count = book.all()->size();
  current()->records->write_certificates({});
  book.replace({});
  return count;
}

bool Collection::Impl::withdraw_certificate(std::uint64_t id, const std::string& why) {
  const std::lock_guard lock(certificate_mutex);
  CertificateBook::List list = *book.all();
  const auto found = std::find_if(list.begin(), list.end(), [&](const Certificate& c) { return c.id == id; });
  if (found == list.end()) return false;
  found->withdrawn = why;
  current()->records->write_certificates(list);
  book.replace(std::move(list));
  return true;
}

}  // namespace nestor::index
