#include "index/exact_scan.h"

#include <algorithm>
#include <chrono>

#include "index/code_scan.h"
#include "index/row_distance.h"
#include "index/top_k.h"

namespace nestor::index {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kShortTail = 64;  // rows: coding the queries costs more than it saves

std::vector<RowDistance> make_distances(const ScanRequest& request) {
  std::vector<RowDistance> distances;
  distances.reserve(request.queries.size());
  for (const PreparedQuery* query : request.queries)
    distances.emplace_back(*request.generation, request.metric, *query, request.dim);
  return distances;
}

void prefetch_line(const void* row) {
  for (std::size_t byte = 0; byte < 512; byte += 64) __builtin_prefetch(static_cast<const std::byte*>(row) + byte);
}

CodeScan make_scan(const ScanRequest& request, const ExactRows& exact) {
  return {request.generation->quantizer(),
          request.generation->code_bound(),
          request.metric,
          request.queries,
          request.dim,
          request.k,
          exact,
          request.margin};
}

// What a scan of `rows` rows did for one of its queries.
void report(RowAnswer& answer, const ScanRequest& request, std::size_t rows, std::uint64_t ranked,
            double microseconds) {
  const std::uint32_t width = request.queries.front()->width;
  const auto compared =
      ranked == 0 ? width : std::min(width, static_cast<std::uint32_t>(request.generation->quantizer().dim()));
  StageReport scan{"scan",       compared,
                   rows,         ranked == 0 ? answer.rows.size() : ranked,
                   rows,         static_cast<std::uint64_t>(rows) * compared,
                   microseconds, "all rows read"};
  answer.stages.push_back(std::move(scan));
  if (ranked != 0)
    answer.stages.push_back({"rerank", width, ranked, answer.rows.size(), ranked, ranked * width, 0, "shortlist done"});
}

// False when codes exclude too few rows to be worth it.
bool scan_by_codes(const ScanRequest& request, std::span<const std::uint32_t> rows, std::vector<RowAnswer>& answers,
                   std::vector<std::uint64_t>& ranked) {
  const RowMatrix& matrix = request.generation->matrix();
  auto distances = make_distances(request);
  const ExactRows exact{[&](std::size_t q, std::uint32_t row) { return distances[q](matrix, row); },
                        [&](std::uint32_t row) { prefetch_line(matrix.row(row)); }};
  CodeScan scan = make_scan(request, exact);
  if (!scan.add({request.generation->codes(), request.generation->code_bound().errors(), rows})) return false;
  answers.resize(request.queries.size());
  for (std::size_t q = 0; q < answers.size(); ++q) {
    for (const auto& [distance, row] : scan.take(q)) answers[q].rows.push_back({row, distance});
    ranked[q] = scan.ranked_exactly(q);
  }
  return true;
}

}  // namespace

bool scans_codes(const ScanRequest& request) {
  const Generation& generation = *request.generation;
  const std::uint32_t width = request.queries.front()->width;
  if (ranks_rotated(generation, width, request.dim) && !generation.rotates_codes()) return false;
  if (width < request.dim && generation.layout().mixes_codes) return false;
  return ScanQuery::serves(generation.quantizer(), generation.code_bound(), request.metric, width, request.dim);
}

std::vector<RowAnswer> scan_rows(const ScanRequest& request, std::span<const std::uint32_t> rows) {
  const Generation& generation = *request.generation;
  const auto queries = request.queries;
  constexpr std::size_t kBlock = 128;  // rows a block: 128 x 768 floats stay in the second-level cache
  const RowMatrix& matrix = generation.matrix();
  const std::size_t dim = matrix.dim;
  const std::uint32_t width = queries.front()->width;
  const bool rotated = ranks_rotated(generation, width, dim);
  const bool half = matrix.scalar_type == ScalarType::float16;
  const std::size_t loaded = rotated ? dim : width;  // coordinates of a row that are read
  std::vector<TopK> best(queries.size(), TopK(request.k));
  std::vector<ExactDistance> distances;
  for (const PreparedQuery* q : queries)
    distances.emplace_back(request.metric, rotated ? q->rotated.data() : q->values.data(), width, dim, q->uneven_rows);
  std::vector<float> block(half || rotated ? kBlock * loaded : 0), turned(rotated ? kBlock * width : 0);
  for (std::size_t first = 0; first < rows.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, rows.size() - first);
    for (std::size_t i = 0; i < count && !block.empty(); ++i) {
      const std::byte* row = matrix.row(rows[first + i]);
      if (half)
        kernels().f32_from_f16(reinterpret_cast<const std::uint16_t*>(row), block.data() + i * loaded, loaded);
      else
        std::copy_n(reinterpret_cast<const float*>(row), loaded, block.data() + i * loaded);
    }
    if (rotated)
      generation.rotation()->apply_batch(std::span(block).first(count * dim), count, width,
                                         std::span(turned).first(count * width));
    const auto row = [&](std::size_t i) -> const float* {
      if (rotated) return turned.data() + i * width;
      return half ? block.data() + i * loaded : reinterpret_cast<const float*>(matrix.row(rows[first + i]));
    };
    for (std::size_t q = 0; q < queries.size(); ++q)
      for (std::size_t i = 0; i < count; ++i) best[q].offer(distances[q](row(i)), rows[first + i]);
  }
  std::vector<RowAnswer> answers(queries.size());
  for (std::size_t q = 0; q < queries.size(); ++q)
    for (const auto& [distance, row] : best[q].take()) answers[q].rows.push_back({row, distance});
  return answers;
}

std::vector<RowAnswer> scan_generation(const ScanRequest& request, std::span<const std::uint32_t> rows) {
  const auto started = Clock::now();
  std::vector<std::uint64_t> ranked(request.queries.size(), 0);
  std::vector<RowAnswer> answers;
  if (rows.empty() || !scans_codes(request) || !scan_by_codes(request, rows, answers, ranked))
    answers = scan_rows(request, rows);
  if (request.explain && request.generation->rows() > 0) {
    const double time = std::chrono::duration<double, std::micro>(Clock::now() - started).count();
    for (std::size_t q = 0; q < answers.size(); ++q)
      report(answers[q], request, rows.size(), ranked[q], time / static_cast<double>(answers.size()));
  }
  return answers;
}

std::vector<TailHits> scan_tail(const ScanRequest& request, const Tail& tail, std::size_t upto,
                                const RowFilter& allowed) {
  std::vector<TailHits> hits(request.queries.size());
  if (upto == 0) return hits;
  std::vector<std::uint32_t> positions;
  positions.reserve(upto);
  for (std::size_t i = 0; i < upto; ++i)
    if (allowed.allows(tail.row(i).slot)) positions.push_back(static_cast<std::uint32_t>(i));
  auto distances = make_distances(request);
  if (!tail.has_codes() || positions.size() < kShortTail || !scans_codes(request)) {
    std::vector<TopK> best(hits.size(), TopK(request.k));
    for (const std::uint32_t i : positions)
      for (std::size_t q = 0; q < hits.size(); ++q) best[q].offer(distances[q](tail.vector(i)), i);
    for (std::size_t q = 0; q < hits.size(); ++q) hits[q] = best[q].take();
    return hits;
  }
  const ExactRows exact{[&](std::size_t q, std::uint32_t i) { return distances[q](tail.vector(i)); },
                        [&](std::uint32_t i) { prefetch_line(tail.vector(i)); }};
  CodeScan scan = make_scan(request, exact);
  std::vector<std::uint32_t> in_chunk;
  for (std::size_t at = 0; at < positions.size();) {
    const std::size_t chunk = positions[at] / Tail::kChunkRows;
    in_chunk.clear();
    for (; at < positions.size() && positions[at] / Tail::kChunkRows == chunk; ++at)
      in_chunk.push_back(positions[at] % Tail::kChunkRows);
    const CodeMatrix codes = tail.codes(chunk);
    scan.add({codes, tail.code_errors(chunk), in_chunk, static_cast<std::uint32_t>(chunk * Tail::kChunkRows)});
  }
  for (std::size_t q = 0; q < hits.size(); ++q) hits[q] = scan.take(q);
  return hits;
}

}  // namespace nestor::index
