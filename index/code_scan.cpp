#include "index/code_scan.h"

#include <algorithm>
#include <cmath>

#include "index/distance.h"

namespace nestor::index {
namespace {

constexpr std::size_t kPackedBytes = 96 << 10;  // of a block: with query codes and keys it stays in the second cache
constexpr std::size_t kMostRows = 256, kFewestRows = simd::kGroup;
constexpr std::size_t kAtOnce = 64;  // queries that meet a packed block together
constexpr std::size_t kSmallestCut = 256;
constexpr std::size_t kGrowth = 3;  // of what is found before limits are tightened again
// By the sample, which is four deviations generous: 768-d vectors of which 7 % survive cost about what their rows do.
constexpr double kMostSurvivors = 0.25;
constexpr std::size_t kSampleEvery = 64;             // groups of rows
constexpr std::size_t kSmallestSampled = 16 * 1024;  // rows

std::size_t rows_per_block(std::size_t length) {
  return std::clamp(kPackedBytes / length, kFewestRows, kMostRows) / simd::kGroup * simd::kGroup;
}

std::size_t groups_of(std::size_t rows) { return (rows + simd::kGroup - 1) / simd::kGroup; }

// Calls work(segment, first, last) for the parts of segments below `length`.
template <class Work>
void for_each_segment(const CodeMatrix& codes, std::size_t length, const Work& work) {
  for (const CodeSegment& segment : codes.segments())
    if (segment.first < length) work(segment, segment.first, std::min(segment.last, length));
}

}  // namespace

struct CodeScan::Scratch {
  std::vector<std::uint8_t> packed, joined;
  std::vector<std::uint32_t> in_order;
  std::vector<std::int32_t> bias, keys, more, low;
  std::vector<std::uint32_t> positions;
};

// Whole codes of the rows of a split segment, one after the other.
simd::CodeBatch CodeScan::join(const CodeSegment& segment, const simd::CodeBatch& rows, Scratch& scratch) {
  constexpr std::size_t kAhead = 8;
  scratch.joined.resize(rows.count * rows.length);
  for (std::size_t i = scratch.in_order.size(); i < rows.count; ++i)
    scratch.in_order.push_back(static_cast<std::uint32_t>(i));
  for (std::size_t i = 0; i < rows.count; ++i) {
    const std::size_t at = static_cast<std::size_t>(rows.rows[i]) * rows.stride;
    const std::size_t next = static_cast<std::size_t>(rows.rows[std::min(i + kAhead, rows.count - 1)]) * rows.stride;
    for (std::size_t byte = 0; byte < rows.length / 2; byte += 64) {
      __builtin_prefetch(segment.data + next + byte);
      __builtin_prefetch(segment.trailing + next + byte);
    }
    join_codes(segment.data + at, segment.trailing + at, rows.length, scratch.joined.data() + i * rows.length);
  }
  return {scratch.joined.data(), rows.length, scratch.in_order.data(), rows.count, rows.length, false};
}

CodeScan::CodeScan(const Quantizer& quantizer, const CodeBound& bound, Metric metric,
                   std::span<const PreparedQuery* const> queries, std::size_t dim, std::uint32_t k,
                   const ExactRows& exact, ScanMargin margin)
    : k_(k), exact_(exact) {
  states_.reserve(queries.size());
  for (const PreparedQuery* query : queries) {
    State& state = states_.emplace_back(ScanQuery(quantizer, bound, metric, *query, dim, margin));
    state.limits.fill(std::numeric_limits<std::int32_t>::max());
    state.cut_at = std::max<std::size_t>(kSmallestCut, kGrowth * std::size_t{k});
    state.found.reserve(state.cut_at + kMostRows);
    length_ = state.query.length();
    signed_codes_.insert(signed_codes_.end(), state.query.signed_code(), state.query.signed_code() + length_);
    low_codes_.insert(low_codes_.end(), state.query.low_code().begin(), state.query.low_code().end());
  }
}

bool CodeScan::add(const ScanRows& rows) {
  thread_local Scratch scratch;
  const bool first_rows =
      std::all_of(states_.begin(), states_.end(), [](const State& s) { return s.found.empty() && s.measured.empty(); });
  const bool guessed = first_rows && rows.rows.size() >= kSmallestSampled;
  if (guessed && guess_limits(rows, scratch) > kMostSurvivors) return false;
  std::vector<double> guesses;
  for (const State& state : states_) guesses.push_back(state.limited_to);
  scan(rows, 0, states_.size(), scratch);
  for (std::size_t q = 0; guessed && q < states_.size(); ++q) {
    State& state = states_[q];
    tighten(q);
    if (state.within <= guesses[q]) continue;
    // Not k rows for certain within the guess: what it left out may matter. Again, with what is certain only.
    state.found.clear();
    state.measured.clear();
    state.limited_to = state.within;
    state.query.limits_within(state.limited_to, state.limits);
    scan(rows, q, 1, scratch);
  }
  return true;
}

void CodeScan::scan(const ScanRows& rows, std::size_t first_query, std::size_t count, Scratch& scratch) {
  const std::size_t block = rows_per_block(length_);
  scratch.keys.resize(kAtOnce * block);
  scratch.positions.resize(block + simd::kGroup);
  for (std::size_t at = 0; at < rows.rows.size(); at += block) {
    const auto some = rows.rows.subspan(at, std::min(block, rows.rows.size() - at));
    scan_block({rows.codes, rows.errors, some, rows.first_number}, first_query, count, scratch);
  }
}

void CodeScan::scan_block(const ScanRows& block, std::size_t first_query, std::size_t count, Scratch& scratch) {
  std::uint8_t largest = 0;
  for (const std::uint32_t row : block.rows) largest = std::max(largest, block.errors[row]);
  std::int32_t* keys = scratch.keys.data();
  if (count == 1) {
    compare_alone(block, states_[first_query].query, scratch);
    select(block, first_query, states_[first_query].limits[ScanQuery::class_of(largest)], keys, scratch);
    return;
  }
  pack(block, scratch);
  const std::size_t groups = groups_of(block.rows.size()), stride = groups * simd::kGroup;
  for (std::size_t q = first_query; q < first_query + count; q += kAtOnce) {
    const std::size_t n = std::min(kAtOnce, first_query + count - q);
    compare_packed(groups, q, n, scratch);
    for (std::size_t i = 0; i < n; ++i)
      select(block, q + i, states_[q + i].limits[ScanQuery::class_of(largest)], keys + i * stride, scratch);
  }
}

// Keys of the packed block for `count` queries.
void CodeScan::compare_packed(std::size_t groups, std::size_t first_query, std::size_t count, Scratch& scratch) const {
  const std::size_t stride = groups * simd::kGroup;
  simd::ScanBlock block{scratch.packed.data(),
                        simd::kGroup * length_,
                        groups,
                        length_,
                        scratch.bias.data(),
                        signed_codes_.data() + first_query * length_,
                        length_,
                        count};
  scan_kernels().keys(block, scratch.keys.data(), stride);
  if (low_codes_.empty()) return;
  scratch.low.resize(count * stride);
  block.queries = low_codes_.data() + first_query * length_;
  scan_kernels().keys(block, scratch.low.data(), stride);
  for (std::size_t i = 0; i < count * stride; ++i)
    scratch.keys[i] = ScanQuery::kHighWeight * scratch.keys[i] + scratch.low[i];
}

void CodeScan::select(const ScanRows& block, std::size_t query, std::int32_t limit, const std::int32_t* keys,
                      Scratch& scratch) {
  State& state = states_[query];
  std::uint32_t* positions = scratch.positions.data();
  const std::size_t n = scan_kernels().at_most(keys, block.rows.size(), limit, positions);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t row = block.rows[positions[i]];
    const std::int32_t key = keys[positions[i]];
    const std::uint8_t error = block.errors[row];
    if (key <= state.limits[ScanQuery::class_of(error)])
      state.found.push_back({key, state.query.worst(key, error), block.first_number + row, error});
  }
  if (state.found.size() >= state.cut_at) tighten(query);
}

void CodeScan::compare_alone(const ScanRows& block, const ScanQuery& query, Scratch& scratch) const {
  const std::size_t count = block.rows.size();
  scratch.more.resize(count);
  scratch.low.resize(count);
  std::int32_t* keys = scratch.keys.data();
  bool started = false;
  for_each_segment(block.codes, length_, [&](const CodeSegment& segment, std::size_t first, std::size_t last) {
    const simd::CodeBatch batch{segment.data, segment.stride(), block.rows.data(), count, last - first,
                                true,         segment.trailing};
    query.sums(batch, first, started ? scratch.more.data() : keys, scratch.low.data());
    for (std::size_t r = 0; started && r < count; ++r) keys[r] += scratch.more[r];
    started = true;
  });
  for (std::size_t r = 0; r < count; ++r) keys[r] = query.key_of_sum(keys[r]);
}

void CodeScan::pack(const ScanRows& block, Scratch& scratch) const {
  const std::size_t padded = groups_of(block.rows.size()) * simd::kGroup;
  if (scratch.packed.size() < padded * length_) scratch.packed.resize(padded * length_);
  scratch.bias.assign(padded, 0);
  for_each_segment(block.codes, length_, [&](const CodeSegment& segment, std::size_t first, std::size_t last) {
    simd::CodeBatch batch{segment.data, segment.stride(), block.rows.data(), block.rows.size(), last - first, true};
    if (segment.is_split()) batch = join(segment, batch, scratch);
    scan_kernels().pack(batch, scratch.packed.data() + simd::kGroup * first, simd::kGroup * length_,
                        scratch.bias.data());
  });
  if (states_.front().query.by_product()) std::fill(scratch.bias.begin(), scratch.bias.end(), 0);
}

// First limits from a sample of the rows: a distance within which, four standard deviations safe, k rows are to be
// expected. Without one every row passes until k are found, and several times k rows pass afterwards. Whether k rows
// were really there is checked after the scan. Returns the share of rows that the limits let pass, on average.
double CodeScan::guess_limits(const ScanRows& rows, Scratch& scratch) {
  std::vector<std::uint32_t> sample;
  for (std::size_t at = 0; at < rows.rows.size(); at += kSampleEvery * simd::kGroup)
    for (std::size_t i = at; i < std::min(at + simd::kGroup, rows.rows.size()); ++i) sample.push_back(rows.rows[i]);
  const double expected =
      static_cast<double>(k_) * static_cast<double>(sample.size()) / static_cast<double>(rows.rows.size());
  const auto rank = static_cast<std::size_t>(std::ceil(expected + 4 * std::sqrt(expected) + 3));
  if (rank >= sample.size() / 2) return 1;
  for (State& state : states_) state.cut_at = sample.size() + 1;  // all of them are to be found
  scan({rows.codes, rows.errors, sample, rows.first_number}, 0, states_.size(), scratch);
  const auto nth = static_cast<std::ptrdiff_t>(rank - 1);
  std::size_t passed = 0;
  for (std::size_t q = 0; q < states_.size(); ++q) {
    State& state = states_[q];
    std::nth_element(state.found.begin(), state.found.begin() + nth, state.found.end(),
                     [](const Found& a, const Found& b) { return a.worst < b.worst; });
    double guess = state.query.upper(state.found[rank - 1].worst);
    if (guess == kNoLimit) {  // codes give no upper bound: exact distances do
      measure_nearest(q, rank);
      guess = std::max_element(state.measured.begin(), state.measured.end())->first;
      state.measured.clear();
    }
    state.limited_to = guess;
    state.query.limits_within(guess, state.limits);
    drop_beyond(state);
    passed += state.found.size();
    state.found.clear();
    state.cut_at = std::max<std::size_t>(kSmallestCut, kGrowth * std::size_t{k_});
  }
  return static_cast<double>(passed) / static_cast<double>(sample.size() * states_.size());
}

// Makes use of what is found: k rows are within the k-th smallest upper bound, or where codes give none within the k-th
// smallest exact distance.
void CodeScan::tighten(std::size_t query) {
  State& state = states_[query];
  if (state.found.size() + state.measured.size() >= k_) {
    thread_local std::vector<float> worst;
    worst.clear();
    for (const Found& f : state.found) worst.push_back(f.worst);
    if (worst.size() >= k_) {
      std::nth_element(worst.begin(), worst.begin() + static_cast<std::ptrdiff_t>(k_ - 1), worst.end());
      prove(state, state.query.upper(worst[k_ - 1]));
    }
    if (state.within == kNoLimit || !state.measured.empty()) {
      measure_nearest(query, k_);
      prove_by_measured(state);
    }
    drop_beyond(state);
  }
  state.cut_at = std::max(kSmallestCut, kGrowth * std::max<std::size_t>(k_, state.found.size()));
}

// k rows are at most this far.
void CodeScan::prove(State& state, double distance) const {
  state.within = std::min(state.within, distance);
  if (state.within >= state.limited_to) return;
  state.limited_to = state.within;
  state.query.limits_within(state.within, state.limits);
}

// Exact distances of the `count` smallest keys not measured yet.
void CodeScan::measure_nearest(std::size_t query, std::size_t count) {
  constexpr std::size_t kAhead = 4;
  State& state = states_[query];
  auto& found = state.found;
  count = std::min(count, found.size());
  const auto nearer = [](const Found& a, const Found& b) { return a.key < b.key; };
  if (count < found.size())
    std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count), found.end(), nearer);
  for (std::size_t i = 0; i < std::min(kAhead, count); ++i) exact_.prefetch(found[i].number);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) exact_.prefetch(found[i + kAhead].number);
    state.measured.emplace_back(exact_.distance(query, found[i].number), found[i].number);
  }
  found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count));
  state.ranked += count;
}

// Keeps the k nearest measured rows; nothing beyond the k-th can matter.
void CodeScan::prove_by_measured(State& state) const {
  auto& measured = state.measured;
  if (measured.size() < k_) return;
  std::nth_element(measured.begin(), measured.begin() + static_cast<std::ptrdiff_t>(k_ - 1), measured.end());
  measured.resize(k_);
  prove(state, measured.back().first);
}

void CodeScan::drop_beyond(State& state) {
  std::erase_if(state.found, [&](const Found& f) { return f.key > state.limits[ScanQuery::class_of(f.error)]; });
}

std::vector<std::pair<float, std::uint32_t>> CodeScan::take(std::size_t query) {
  State& state = states_[query];
  tighten(query);
  // Twice as many each time: where thousands of rows are equally near, each look at what is left costs as much as they do.
  for (std::size_t count = std::max<std::size_t>(k_, 16); !state.found.empty(); count *= 2) {
    measure_nearest(query, count);
    prove_by_measured(state);
    drop_beyond(state);
  }
  std::sort(state.measured.begin(), state.measured.end());
  return std::move(state.measured);
}

}  // namespace nestor::index
