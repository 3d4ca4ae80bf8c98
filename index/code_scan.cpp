#include "index/code_scan.h"

#include <algorithm>
#include <limits>

#include "index/distance.h"

namespace nestor::index {
namespace {

constexpr std::size_t kPackedBytes =
    96 << 10;  // of a block: with the queries' codes and keys it stays in the second cache
constexpr std::size_t kMostRows = 256, kFewestRows = simd::kGroup;
constexpr std::size_t kAtOnce = 64;       // queries that meet a packed block together
constexpr std::size_t kSampleEvery = 32;  // blocks; the sample is scanned first and gives the first limits
constexpr std::size_t kSmallestCut = 256;

std::size_t rows_per_block(std::size_t length) {
  return std::clamp(kPackedBytes / length, kFewestRows, kMostRows) / simd::kGroup * simd::kGroup;
}

// Calls work(segment, first, last) for the parts of segments below `length`.
template <class Work>
void for_each_segment(const CodeMatrix& codes, std::size_t length, const Work& work) {
  for (const CodeSegment& segment : codes.segments())
    if (segment.first < length) work(segment, segment.first, std::min(segment.last, length));
}

}  // namespace

struct CodeScan::Scratch {
  std::vector<std::uint8_t> packed;
  std::vector<std::int32_t> bias, keys, more;
  std::vector<std::uint32_t> positions;
};

CodeScan::CodeScan(const Quantizer& quantizer, const CodeBound& bound, Metric metric,
                   std::span<const PreparedQuery* const> queries, std::size_t dim, std::uint32_t k,
                   const ExactRows& exact)
    : k_(k), exact_(exact) {
  states_.reserve(queries.size());
  for (const PreparedQuery* query : queries) {
    State& state = states_.emplace_back(ScanQuery(quantizer, bound, metric, *query, dim),
                                        std::max<std::size_t>(kSmallestCut, 3 * std::size_t{k}));
    state.limits.fill(std::numeric_limits<std::int32_t>::max());
    length_ = state.query.length();
    signed_codes_.insert(signed_codes_.end(), state.query.signed_code(), state.query.signed_code() + length_);
  }
}

void CodeScan::add(const CodeMatrix& codes, const std::uint8_t* errors, std::span<const std::uint32_t> rows,
                   std::uint32_t first_number) {
  thread_local Scratch scratch;
  const std::size_t block = rows_per_block(length_), blocks = (rows.size() + block - 1) / block;
  const auto scan = [&](std::size_t b) {
    scan_block(codes, errors, rows.subspan(b * block, std::min(block, rows.size() - b * block)), first_number, scratch);
  };
  const bool sampled = blocks > 2 * kSampleEvery;
  const auto in_sample = [&](std::size_t b) { return sampled && b % kSampleEvery == kSampleEvery / 2; };
  for (std::size_t b = 0; b < blocks; ++b)
    if (in_sample(b)) scan(b);
  if (sampled)
    for (std::size_t q = 0; q < states_.size(); ++q) tighten(states_[q], q);
  for (std::size_t b = 0; b < blocks; ++b)
    if (!in_sample(b)) scan(b);
}

void CodeScan::scan_block(const CodeMatrix& codes, const std::uint8_t* errors, std::span<const std::uint32_t> rows,
                          std::uint32_t first_number, Scratch& scratch) {
  const std::size_t block = rows_per_block(length_);
  scratch.keys.resize(kAtOnce * block);
  scratch.positions.resize(block + simd::kGroup);
  std::uint8_t largest = 0;
  for (const std::uint32_t row : rows) largest = std::max(largest, errors[row]);
  const bool alone = states_.size() == 1;
  if (alone)
    compare_alone(codes, rows, scratch);
  else
    compare_packed(codes, rows, scratch);
  const simd::ScanKernels& kernel = scan_kernels();
  for (std::size_t first = 0; first < states_.size(); first += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, states_.size() - first);
    if (!alone) {
      const simd::ScanBlock input{scratch.packed.data(),
                                  simd::kGroup * length_,
                                  (rows.size() + simd::kGroup - 1) / simd::kGroup,
                                  length_,
                                  scratch.bias.data(),
                                  signed_codes_.data() + first * length_,
                                  length_,
                                  count};
      kernel.keys(input, scratch.keys.data(), block);
    }
    for (std::size_t q = 0; q < count; ++q) {
      State& state = states_[first + q];
      const std::int32_t* keys = scratch.keys.data() + q * block;
      const std::size_t n = kernel.at_most(keys, rows.size(), state.limits[largest], scratch.positions.data());
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint32_t position = scratch.positions[i], row = rows[position];
        if (keys[position] <= state.limits[errors[row]])
          state.found.push_back({keys[position], first_number + row, errors[row]});
      }
      if (state.found.size() >= state.cut_at) tighten(state, first + q);
    }
  }
}

void CodeScan::compare_alone(const CodeMatrix& codes, std::span<const std::uint32_t> rows, Scratch& scratch) const {
  const ScanQuery& query = states_.front().query;
  scratch.more.resize(rows.size());
  std::int32_t* keys = scratch.keys.data();
  bool started = false;
  for_each_segment(codes, length_, [&](const CodeSegment& segment, std::size_t first, std::size_t last) {
    const simd::CodeBatch batch{segment.data, segment.stride(), rows.data(), rows.size(), last - first, true};
    query.keys(batch, first, started ? scratch.more.data() : keys);
    for (std::size_t r = 0; started && r < rows.size(); ++r) keys[r] += scratch.more[r];
    started = true;
  });
  for (std::size_t r = 0; r < rows.size(); ++r) keys[r] = query.key_of_sum(keys[r]);
}

void CodeScan::compare_packed(const CodeMatrix& codes, std::span<const std::uint32_t> rows, Scratch& scratch) const {
  const std::size_t padded = (rows.size() + simd::kGroup - 1) / simd::kGroup * simd::kGroup;
  if (scratch.packed.size() < padded * length_) scratch.packed.resize(padded * length_);
  scratch.bias.assign(padded, 0);
  for_each_segment(codes, length_, [&](const CodeSegment& segment, std::size_t first, std::size_t last) {
    const simd::CodeBatch batch{segment.data, segment.stride(), rows.data(), rows.size(), last - first, true};
    scan_kernels().pack(batch, scratch.packed.data() + simd::kGroup * first, simd::kGroup * length_,
                        scratch.bias.data());
  });
  if (states_.front().query.is_dot()) std::fill(scratch.bias.begin(), scratch.bias.end(), 0);
}

// New limits from what is found: the k-th smallest upper bound of a distance, or where codes give none the k-th
// smallest exact distance.
void CodeScan::tighten(State& state, std::size_t query) {
  if (state.found.size() + state.measured.size() > k_) {
    std::vector<double> uppers;
    uppers.reserve(state.found.size());
    for (const Found& f : state.found) uppers.push_back(state.query.upper(f.key, f.error));
    const std::size_t kth = k_ - 1;
    if (kth < uppers.size()) {
      std::nth_element(uppers.begin(), uppers.begin() + static_cast<std::ptrdiff_t>(kth), uppers.end());
      limit(state, uppers[kth]);
    }
    if (state.within == std::numeric_limits<double>::infinity() || !state.measured.empty()) {
      measure_nearest(state, query, k_);
      limit_to_measured(state);
    }
    drop_beyond(state);
  }
  state.cut_at = std::max(state.cut_at, 2 * state.found.size());
}

// Exact distances of the `count` smallest keys not measured yet.
void CodeScan::measure_nearest(State& state, std::size_t query, std::size_t count) {
  constexpr std::size_t kAhead = 4;
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
void CodeScan::limit_to_measured(State& state) const {
  auto& measured = state.measured;
  if (measured.size() < k_) return;
  std::nth_element(measured.begin(), measured.begin() + static_cast<std::ptrdiff_t>(k_ - 1), measured.end());
  measured.resize(k_);
  limit(state, measured.back().first);
}

void CodeScan::limit(State& state, double distance) {
  if (distance >= state.within) return;
  state.within = distance;
  state.query.limits_within(distance, state.limits);
}

void CodeScan::drop_beyond(State& state) {
  std::erase_if(state.found, [&](const Found& f) { return f.key > state.limits[f.error]; });
}

std::vector<std::pair<float, std::uint32_t>> CodeScan::take(std::size_t query) {
  State& state = states_[query];
  tighten(state, query);
  while (!state.found.empty()) {
    measure_nearest(state, query, std::max<std::size_t>(k_, 16));
    limit_to_measured(state);
    drop_beyond(state);
  }
  std::sort(state.measured.begin(), state.measured.end());
  return std::move(state.measured);
}

}  // namespace nestor::index
