#include "index/ladder.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "index/beam_search.h"
#include "index/ranking_end.h"
#include "index/row_distance.h"
#include "index/row_scorer.h"
#include "index/top_k.h"
#include "index/walk_scorer.h"

namespace nestor::index {
namespace {

using Clock = std::chrono::steady_clock;

// Reused by one thread from query to query.
struct LadderScratch {
  WalkScratch walk;
  QueryCode code;
  std::vector<std::uint64_t> candidates;  // key << 32 | row
  std::vector<std::uint32_t> rows;
  std::vector<std::int32_t> sums;
  std::vector<RankedRow> ranked;
  std::vector<std::uint64_t> words;
  RankingEnd end;
  bool ordered = false;  // candidates stand nearest first
};

// Collects stage reports; costs nothing when nobody asked.
class Explain {
 public:
  Explain(bool wanted, std::vector<StageReport>& out) : wanted_(wanted), out_(out) {
    if (wanted_) start_ = Clock::now();
  }
  void add(StageReport report) {
    if (!wanted_) return;
    const auto now = Clock::now();
    report.microseconds = std::chrono::duration<double, std::micro>(now - start_).count();
    start_ = now;
    out_.push_back(std::move(report));
  }
  bool wanted() const { return wanted_; }

 private:
  bool wanted_;
  std::vector<StageReport>& out_;
  Clock::time_point start_;
};

void keep_nearest(std::vector<std::uint64_t>& candidates, std::size_t count) {
  if (candidates.size() <= count) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end());
  candidates.resize(count);
}

std::uint32_t candidate_key(std::uint64_t candidate) { return static_cast<std::uint32_t>(candidate >> 32); }
std::uint32_t candidate_row(std::uint64_t candidate) { return static_cast<std::uint32_t>(candidate); }

// Code positions [first, last) that a stage adds to keys; shift: what the band adds to a key's base.
struct Band {
  std::size_t first = 0, last = 0;
  std::int64_t shift = 0;
  bool anew = false;  // keys are replaced: the walk went by leading bits
};

// Adds the codes of a band to the keys of candidates [from, to).
void add_band(const Generation& generation, const Band& band, std::size_t from, std::size_t to, LadderScratch& s) {
  const std::size_t n = to - from;
  s.rows.resize(n);
  s.sums.resize(n);
  for (std::size_t i = 0; i < n; ++i) s.rows[i] = candidate_row(s.candidates[from + i]);
  generation.codes().sums(s.code, band.first, band.last, s.rows.data(), n, s.sums.data());
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t before = band.anew ? 0 : candidate_key(s.candidates[from + i]);
    const std::int64_t key = s.code.is_l2() ? before + s.sums[i] : before + band.shift - s.sums[i];
    s.candidates[from + i] = std::uint64_t{PrefixScorer::clamp_key(key)} << 32 | s.rows[i];
  }
}

// A walk counts candidates, dead ones too: they lead on, but the k-th neighbour, the shortlist and the effort are of
// the living. Where a share of the rows is dead, so many more candidates are met before as many living ones are.
// (Measured at 40 % dead rows, before: recall 0.974 instead of 0.991 with a gap, 0.895 instead of 0.909 without.)
WalkLimits limits_of_walk(const LadderPlan& plan, const RowFilter& filter, std::uint32_t k, double live_share) {
  constexpr double kLeastShare = 1.0 / 16;
  const double share = std::clamp(live_share, kLeastShare, 1.0);
  const auto met = [&](std::uint32_t living) {
    return static_cast<std::uint32_t>(std::min(std::ceil(living / share), 65536.0));
  };
  // With a gap the pool is seldom used up, and a longer one would lose its exact order.
  const std::uint32_t most = plan.gap > 0 ? std::max(plan.pool, kSortedPool) : 65536u;
  WalkLimits limits;
  limits.pool = std::max(plan.pool, std::min(met(plan.pool), most));
  limits.explore = std::min(std::max(plan.explore, met(plan.explore)), limits.pool);
  limits.k = std::min(met(k), limits.pool);
  limits.gap = plan.gap;
  limits.beam = plan.beam;
  limits.deferral = plan.deferral ? &*plan.deferral : nullptr;
  limits.hidden = plan.hidden;
  // A bucket queue keeps no more than it is asked for: what the filter will drop must be kept beside.
  const bool all_count = filter.passes_all() || (!filter.restricts() && walks_in_order(limits));
  limits.keep = all_count ? std::min(met(plan.keep), limits.pool) : limits.pool;
  return limits;
}

// The share of the living among the first candidates of a walk, which are in order.
double live_share_near(const RowFilter& filter, std::size_t count, const LadderScratch& s) {
  const std::size_t n = std::min(count, s.walk.found.size());
  if (n == 0) return 1;
  std::size_t alive = 0;
  for (std::size_t i = 0; i < n; ++i) alive += filter(row_of(s.walk.found[i]));
  return static_cast<double>(alive) / static_cast<double>(n);
}

// The walk; a second one where deaths gather around the query.
template <class Score>
WalkCounters walk_among_living(Score& score, const LadderPlan& plan, const RowFilter& filter, std::uint32_t k,
                               LadderScratch& s) {
  constexpr double kGatheredShare = 0.75;
  const WalkLimits limits = limits_of_walk(plan, filter, k, plan.live_share);
  const WalkCounters walked = walk(plan.graph->graph, score, limits, plan.entries, s.walk);
  if (filter.passes_all() || filter.restricts() || !walks_in_order(limits)) return walked;
  const double share = live_share_near(filter, limits.keep, s);
  if (share >= kGatheredShare * plan.live_share) return walked;
  WalkCounters again = walk(plan.graph->graph, score, limits_of_walk(plan, filter, k, share), plan.entries, s.walk);
  again.evaluations += walked.evaluations;
  again.finished += walked.finished;
  again.hops += walked.hops;
  return again;
}

// The walk's allowed candidates, and with each of them its copies, k of them at most: they are as near as it is.
void collect_candidates(const Generation& generation, const RowFilter& filter, const LadderPlan& plan, std::uint32_t k,
                        LadderScratch& s) {
  const bool any_copies = !generation.copies().empty();
  s.candidates.clear();
  const auto add = [&](std::uint64_t key, std::uint32_t row) {
    const bool allowed = filter(row) && row != plan.unanswered;
    if (allowed) s.candidates.push_back(key << 32 | row);
    return allowed;
  };
  for (const std::uint64_t found : s.walk.found) {
    const std::uint32_t row = row_of(found);
    add(key_of(found), row);
    if (!any_copies) continue;
    std::uint32_t taken = 0;
    for (const RowCopy& copy : generation.copies().of(row)) {
      if (taken == k) break;
      taken += add(key_of(found), copy.row);
    }
  }
}

// Ranks candidates, nearest estimate first, until none that is left may matter. rank(from, to) measures those candidates
// and adds them to s.end. Returns how many were ranked; they stand first.
template <class Rank, class KeyOf>
std::size_t rank_while_it_matters(std::size_t least, LadderScratch& s, const KeyOf& key_of_estimate, const Rank& rank) {
  const auto begin = s.candidates.begin();
  const auto nearest_first = [&](std::size_t from, std::size_t count, std::size_t end) {
    if (count < end - from)
      std::nth_element(begin + static_cast<std::ptrdiff_t>(from), begin + static_cast<std::ptrdiff_t>(from + count),
                       begin + static_cast<std::ptrdiff_t>(end));
    return from + count;
  };
  const bool ordered = s.ordered;
  std::size_t done = std::min(least, s.candidates.size());
  if (!ordered) nearest_first(0, done, s.candidates.size());
  rank(0, done);
  while (ordered && done < s.candidates.size() && candidate_key(s.candidates[done]) <= key_of_estimate(s.end.horizon())) {
    const std::size_t next = std::min(s.candidates.size(), done + std::max<std::size_t>(4, done / 4));
    rank(done, next);
    done = next;
  }
  if (ordered) return done;
  while (done < s.candidates.size()) {
    const std::uint64_t limit = key_of_estimate(s.end.horizon());
    const auto matter = std::partition(begin + static_cast<std::ptrdiff_t>(done), s.candidates.end(),
                                       [&](std::uint64_t c) { return candidate_key(c) <= limit; });
    const auto left = static_cast<std::size_t>(matter - begin) - done;
    if (left == 0) break;
    const std::size_t next = nearest_first(done, std::min(left, std::max<std::size_t>(8, done / 4)), done + left);
    rank(done, next);
    done = next;
  }
  return done;
}

std::size_t bytes_per_coordinate(const RowMatrix& matrix) { return matrix.scalar_type == ScalarType::float32 ? 4 : 2; }

constexpr std::size_t kBytesAhead = 3072;  // of exact rows on their way

void prefetch_row(const RowMatrix& matrix, std::uint32_t row, std::size_t width) {
  const std::byte* p = matrix.row(row);
  const std::size_t bytes = std::min<std::size_t>(width * bytes_per_coordinate(matrix), 2048);
  for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(p + b);
}

// Exact distances of candidates [from, to), appended to s.ranked.
void measure_exactly(const Generation& generation, RowDistance& distance, std::uint32_t width, std::size_t from,
                     std::size_t to, LadderScratch& s) {
  const RowMatrix& matrix = generation.matrix();
  const std::size_t ahead = std::clamp<std::size_t>(kBytesAhead / (width * bytes_per_coordinate(matrix)), 2, 8);
  for (std::size_t i = from; i < std::min(from + ahead, to); ++i)
    prefetch_row(matrix, candidate_row(s.candidates[i]), width);
  for (std::size_t i = from; i < to; ++i) {
    if (i + ahead < to) prefetch_row(matrix, candidate_row(s.candidates[i + ahead]), width);
    const std::uint32_t row = candidate_row(s.candidates[i]);
    s.ranked.push_back({row, distance(matrix, row)});
  }
}

void rank_by_codes(std::size_t count, LadderScratch& s) {
  keep_nearest(s.candidates, count);
  s.ranked.clear();
  for (const std::uint64_t candidate : s.candidates)
    s.ranked.push_back({candidate_row(candidate), s.code.distance_of(candidate_key(candidate))});
  sort_by_distance(s.ranked, s.words);
}

// One query on its way through one generation.
class LadderSearch {
 public:
  LadderSearch(const Generation& generation, Metric metric, const PreparedQuery& query, const RowFilter& filter,
               std::uint32_t k, bool explain, LadderScratch& scratch)
      : generation_(generation), metric_(metric), query_(query), filter_(filter), k_(k), s_(scratch),
        report_(explain, answer_.stages) {}

  RowAnswer run(LadderPlan plan) {
    bool by_rows = plan.by_rows;
    if (!by_rows) {
      s_.code.assign(generation_.quantizer(), metric_, query_.coded());
      by_rows = out_of_reach(plan);
    }
    for (int wider = 0;; ++wider) {
      const std::size_t found = by_rows ? walk_rows(plan) : walk_codes(plan);
      if (by_rows) {
        plan.deviations = 0;
        plan.rerank = std::min(plan.rerank, k_ + std::max(4u, k_ / 16));
      } else if (!plan.rescores.empty()) {
        rescore(plan, wider > 0);
      }
      if (plan.ranks_by_codes && !by_rows) {
        rank_by_codes(k_, s_);
        break;
      }
      const bool open = rank(plan);
      if (!open || !plan.extends || by_rows) break;
      if (wider == kMostWider || found >= generation_.rows() / 4) {
        answer_.unsure = true;
        break;
      }
      plan.pool = plan.explore = std::min(4 * plan.pool, kMostPool);
      plan.gap *= 4;
    }
    if (s_.ranked.size() > k_) s_.ranked.resize(k_);
    answer_.rows.assign(s_.ranked.begin(), s_.ranked.end());
    return std::move(answer_);
  }

 private:
  static constexpr int kMostWider = 2;
  static constexpr std::uint32_t kMostPool = 16384;

  // A query beyond the coded range is clipped where it is coded. What that takes off all its distances depends on the
  // row, so where it is more than any row's own error the rows themselves are compared.
  bool out_of_reach(const LadderPlan& plan) const {
    const CodeBound& bound = generation_.code_bound();
    return !plan.ranks_by_codes && !generation_.rotates_codes() && !bound.empty() &&
           s_.code.clipped() > bound.error(CodeBound::kUnknown - 1);
  }

  std::size_t walk_codes(const LadderPlan& plan) {
    WalkScorer score(generation_.codes(), generation_.quantizer(), s_.code, plan.walk_width);
    return walk_by(score, plan, generation_.codes().walks_coarse() ? 0.5 : 1.0);
  }

  std::size_t walk_rows(LadderPlan plan) {
    const RowMatrix& rows = generation_.walked_rows().rows > 0 ? generation_.walked_rows() : generation_.matrix();
    plan.gap = RowScorer::gap_of_keys(metric_, plan.gap);
    RowScorer score(rows, metric_, query_.values.data(), plan.walk_width, generation_.largest_norm(),
                    query_.uneven_rows);
    return walk_by(score, plan, static_cast<double>(bytes_per_coordinate(rows)));
  }

  // Returns how many candidates there are.
  template <class Score>
  std::size_t walk_by(Score& score, const LadderPlan& plan, double bytes) {
    const WalkCounters walked = walk_among_living(score, plan, filter_, k_, s_);
    collect_candidates(generation_, filter_, plan, k_, s_);
    s_.ordered = std::is_sorted(s_.candidates.begin(), s_.candidates.end(), [](std::uint64_t a, std::uint64_t b) {
      return candidate_key(a) < candidate_key(b);
    });
    answer_.shortlist = std::min<std::size_t>(s_.candidates.size(), plan.keep);
    answer_.exit_stage =
        walked.went_on ? "second look" : walked.stopped_by_gap ? "distance gap" : "candidates explored";
    if (plan.deviations == 0 && s_.candidates.size() > plan.keep) {
      keep_nearest(s_.candidates, plan.keep);
      s_.ordered = false;
    }
    const std::uint64_t compared =
        walked.evaluations * score.first_coordinates() + walked.finished * score.rest_coordinates();
    report_.add({"walk", plan.walk_width, 0, s_.candidates.size(), walked.evaluations, compared, 0, answer_.exit_stage,
                 static_cast<std::uint64_t>(static_cast<double>(compared) * bytes), walked.features});
    return s_.candidates.size();
  }

  // Wider codes of the shortlist, stage by stage.
  void rescore(const LadderPlan& plan, bool all) {
    const Quantizer& quantizer = generation_.quantizer();
    std::uint32_t width = generation_.codes().walks_coarse() ? 0 : plan.walk_width;  // compared by whole codes so far
    std::size_t least = plan.keep;
    for (const Stage& stage : plan.rescores) {
      const std::size_t before = s_.candidates.size();
      const Band band{width == 0 ? 0 : quantizer.code_length(width), quantizer.code_length(stage.width),
                      s_.code.base(stage.width) - (width == 0 ? 0 : s_.code.base(width)), width == 0};
      std::size_t done = before;
      if (plan.deviations == 0 || all) {
        s_.ordered = false;
        add_band(generation_, band, 0, before, s_);
      } else {
        done = rescore_while_it_matters(band, least, plan.deviations);
        s_.candidates.resize(done);
        s_.ordered = false;
      }
      if (plan.deviations == 0) keep_nearest(s_.candidates, stage.shortlist);
      const std::uint64_t read = static_cast<std::uint64_t>(done) * (stage.width - width);
      report_.add({"rescore", stage.width, before, s_.candidates.size(), done, read, 0, "shortlist done", read, {}});
      width = stage.width;
      least = stage.shortlist;
    }
  }

  std::size_t rescore_while_it_matters(const Band& band, std::size_t least, double deviations) {
    s_.end.start(k_, deviations);
    return rank_while_it_matters(
        least, s_, [&](double length) { return key_of_length(length, [](double key) { return key; }); },
        [&](std::size_t from, std::size_t to) {
          s_.words.assign(s_.candidates.begin() + static_cast<std::ptrdiff_t>(from),
                          s_.candidates.begin() + static_cast<std::ptrdiff_t>(to));
          add_band(generation_, band, from, to, s_);
          for (std::size_t i = from; i < to; ++i)
            s_.end.add(length_of(candidate_key(s_.words[i - from])), length_of(candidate_key(s_.candidates[i])));
        });
  }

  // Ranks by exact distances. True: all candidates were ranked, and one farther than they are might still matter.
  bool rank(const LadderPlan& plan) {
    RowDistance distance(generation_, metric_, query_, generation_.matrix().dim);
    const std::size_t before = s_.candidates.size();
    s_.ranked.clear();
    bool open = false;
    if (plan.deviations == 0) {
      keep_nearest(s_.candidates, plan.rerank);
      measure_exactly(generation_, distance, plan.rank_width, 0, s_.candidates.size(), s_);
    } else {
      double farthest = 0;
      s_.end.start(k_, plan.deviations);
      const auto estimate = [&](std::uint64_t c) { return length_of(s_.code.distance_of(candidate_key(c))); };
      const std::size_t ranked = rank_while_it_matters(
          plan.rerank, s_,
          [&](double length) {
            return key_of_length(length, [&](double distance_wanted) { return s_.code.key_of(distance_wanted); });
          },
          [&](std::size_t from, std::size_t to) {
            measure_exactly(generation_, distance, plan.rank_width, from, to, s_);
            for (std::size_t i = from; i < to; ++i) {
              const double estimated = estimate(s_.candidates[i]);
              farthest = std::max(farthest, estimated);
              s_.end.add(estimated, length_of(s_.ranked[i].distance));
            }
          });
      open = ranked == before && s_.end.horizon() > farthest;
    }
    const std::size_t ranked = s_.ranked.size();
    sort_by_distance(s_.ranked, s_.words);
    const auto read = static_cast<std::uint64_t>(ranked) * plan.rank_width;
    report_.add({"rerank", plan.rank_width, before, std::min<std::size_t>(ranked, k_), ranked, read, 0, "shortlist done",
                 read * bytes_per_coordinate(generation_.matrix()), {}});
    return open;
  }

  // Squared distances (and keys of codes, which are proportional to them) as lengths; products stay.
  double length_of(double squared) const {
    return metric_ == Metric::dot ? squared : std::sqrt(std::max(0.0, squared));
  }
  template <class Back>
  std::uint64_t key_of_length(double length, const Back& back) const {
    if (metric_ != Metric::dot && length < 0) return 0;
    const double key = back(metric_ == Metric::dot ? length : length * length);
    return key >= 4294967295.0 ? 0xFFFFFFFFu : key <= 0 ? 0 : static_cast<std::uint64_t>(key);
  }

  const Generation& generation_;
  Metric metric_;
  const PreparedQuery& query_;
  const RowFilter& filter_;
  std::uint32_t k_;
  LadderScratch& s_;
  RowAnswer answer_;
  Explain report_;
};

}  // namespace

RowAnswer search_ladder(const Generation& generation, Metric metric, const PreparedQuery& query, const LadderPlan& plan,
                        const RowFilter& filter, std::uint32_t k, bool explain) {
  thread_local LadderScratch scratch;
  return LadderSearch(generation, metric, query, filter, k, explain, scratch).run(plan);
}

}  // namespace nestor::index
