// Nanoseconds and bytes per second of every distance kernel that this processor can run, by width: over rows that lie
// one after the other in the second-level cache and over rows picked at random from memory.
//
//   nestor_bench_kernels --benchmark_filter='memory|l2 codes'      a part of it
//   nestor_bench_kernels --benchmark_out=kernels.json              for programs
//
// Time is that of one call, "row" of one row. "bytes" is row data read per second; compare it with the memory/... lines
// of the same run. Codes are compared a batch at a time, as a hop of a walk does; float rows one by one.

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "bench/kernels/big_block.h"
#include "index/distance.h"

namespace nestor::bench {
namespace {

using index::simd::Kernels;
using index::simd::ScanKernels;

constexpr std::size_t kWidths[] = {32, 64, 128, 256, 512, 768, 1024};
constexpr std::size_t kRowsInCache = 256 * 1024;  // bytes
constexpr std::size_t kBatch = 32;                // the neighbours of one hop, M = 16

enum class Place { sequential, random };

void count_rows(benchmark::State& state, std::size_t rows, std::size_t row_bytes) {
  const auto n = static_cast<double>(rows);
  state.counters["bytes"] = benchmark::Counter(
      n * static_cast<double>(row_bytes), benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
  state.counters["row"] =
      benchmark::Counter(n, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// Row numbers one after the other, again and again, for `count` rows.
std::vector<std::uint32_t> ascending(std::size_t count, std::size_t rows) {
  std::vector<std::uint32_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<std::uint32_t>(i % rows);
  return numbers;
}

// The rows to visit: all of the block at random, or the few that stay in cache.
std::vector<std::uint32_t> plan_rows(Place place, std::size_t row_bytes) {
  if (place == Place::sequential)
    return ascending(std::max(kRowsInCache / row_bytes, kBatch) / kBatch * kBatch * 16, kRowsInCache / row_bytes);
  const auto numbers = random_numbers(static_cast<std::uint32_t>(big_block().size() / row_bytes));
  return {numbers.begin(), numbers.end()};
}

// Which of a table's code kernels, and how many bytes of a row it reads.
enum class Codes { whole, leading, split };

std::size_t row_bytes_of(Codes kind, std::size_t width) { return kind == Codes::leading ? width / 2 : width; }

void codes(benchmark::State& state, const Kernels& table, bool l2, Codes kind, std::size_t width, Place place) {
  const std::size_t plane = kind == Codes::whole ? width : width / 2;  // bytes of a row in each plane
  const auto* const block = reinterpret_cast<const std::uint8_t*>(big_block().data());
  const std::uint8_t* const trailing = kind == Codes::split ? block + big_block().size() / 2 : nullptr;
  const std::vector<std::uint32_t> rows = plan_rows(place, row_bytes_of(kind, width));
  const std::vector<std::uint8_t> query(width, 60);
  const auto l2_kernel = kind == Codes::whole ? table.l2_codes : kind == Codes::leading ? table.l2_coarse : table.l2_split;
  const auto dot_kernel =
      kind == Codes::whole ? table.dot_codes : kind == Codes::leading ? table.dot_coarse : table.dot_split;
  std::int32_t out[kBatch];
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + kBatch > rows.size()) at = 0;
    const index::simd::CodeBatch batch{block, plane, rows.data() + at, kBatch, width, true, trailing};
    if (l2)
      l2_kernel(query.data(), batch, out);
    else
      dot_kernel(reinterpret_cast<const std::int8_t*>(query.data()), batch, out);
    benchmark::DoNotOptimize(out);
    at += kBatch;
  }
  count_rows(state, kBatch, row_bytes_of(kind, width));
}

// A packed block of rows against a batch of queries, as an exact scan does it; the block stays in the second cache.
// "row" is one row against one query, "bytes" are code bytes, counted once per query.
void scan_keys(benchmark::State& state, const ScanKernels& table, std::size_t width, std::size_t queries) {
  constexpr std::size_t kGroups = 32;
  const std::vector<std::uint8_t> packed(kGroups * index::simd::kGroup * width, 60);
  const std::vector<std::int32_t> bias(kGroups * index::simd::kGroup, 7);
  const std::vector<std::int8_t> query(queries * width, 30);
  std::vector<std::int32_t> keys(queries * kGroups * index::simd::kGroup);
  const index::simd::ScanBlock block{packed.data(), index::simd::kGroup * width, kGroups, width, bias.data(),
                                     query.data(),  width,                       queries};
  for (auto _ : state) {
    table.keys(block, keys.data(), kGroups * index::simd::kGroup);
    benchmark::DoNotOptimize(keys.data());
    benchmark::ClobberMemory();
  }
  count_rows(state, queries * kGroups * index::simd::kGroup, width);
}

// Rows brought into the order of a scan.
void scan_pack(benchmark::State& state, const ScanKernels& table, std::size_t width) {
  constexpr std::size_t kRows = 512;
  const auto rows = ascending(kRows, kRows);
  std::vector<std::uint8_t> packed(kRows * width);
  std::vector<std::int32_t> bias(kRows);
  const index::simd::CodeBatch batch{reinterpret_cast<const std::uint8_t*>(big_block().data()), width, rows.data(), kRows,
                                     width, true};
  for (auto _ : state) {
    table.pack(batch, packed.data(), index::simd::kGroup * width, bias.data());
    benchmark::DoNotOptimize(packed.data());
    benchmark::ClobberMemory();
  }
  count_rows(state, kRows, width);
}

// Scalar: float or std::uint16_t (float16).
template <class Scalar>
void floats(benchmark::State& state, float (*kernel)(const float*, const Scalar*, std::size_t), std::size_t width,
            Place place) {
  const std::size_t row_bytes = width * sizeof(Scalar);
  const std::vector<std::uint32_t> rows = plan_rows(place, row_bytes);
  const std::vector<float> query(width, 0.5f);
  std::size_t at = 0;
  float sum = 0;
  for (auto _ : state) {
    if (at == rows.size()) at = 0;
    sum += kernel(query.data(), reinterpret_cast<const Scalar*>(big_block().data() + rows[at++] * row_bytes), width);
  }
  benchmark::DoNotOptimize(sum);
  count_rows(state, 1, row_bytes);
}

void add(const Kernels& table, std::size_t width, Place place) {
  const std::string end = std::string("/") + table.name + "/" + std::to_string(width) +
                          (place == Place::sequential ? "/in cache" : "/random");
  const auto named = [&](const std::string& name, auto run) { benchmark::RegisterBenchmark((name + end).c_str(), run); };
  const auto code_kernels = [&](const std::string& name, Codes kind) {
    named("l2 " + name, [=, &table](benchmark::State& s) { codes(s, table, true, kind, width, place); });
    named("dot " + name, [=, &table](benchmark::State& s) { codes(s, table, false, kind, width, place); });
  };
  code_kernels("codes", Codes::whole);
  code_kernels("leading bits", Codes::leading);
  code_kernels("split codes", Codes::split);
  named("l2 f16", [=, &table](benchmark::State& s) { floats(s, table.l2_f16, width, place); });
  named("dot f16", [=, &table](benchmark::State& s) { floats(s, table.dot_f16, width, place); });
  named("l2 f32", [=, &table](benchmark::State& s) { floats(s, table.l2_f32, width, place); });
  named("dot f32", [=, &table](benchmark::State& s) { floats(s, table.dot_f32, width, place); });
}

void add_scans(const ScanKernels& table, std::size_t width) {
  const std::string end = std::string("/") + table.name + "/" + std::to_string(width);
  for (const std::size_t queries : {1u, 8u, 64u})
    benchmark::RegisterBenchmark(("scan, " + std::to_string(queries) + " queries" + end).c_str(),
                                 [=, &table](benchmark::State& s) { scan_keys(s, table, width, queries); });
  benchmark::RegisterBenchmark(("scan, packing" + end).c_str(),
                               [=, &table](benchmark::State& s) { scan_pack(s, table, width); });
}

}  // namespace
}  // namespace nestor::bench

int main(int argc, char** argv) {
  // There are hundreds of them: a short time each unless the user says otherwise, which the later flag does.
  std::string short_time = "--benchmark_min_time=0.05";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, short_time.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
  std::string tables;
  for (const auto* table : nestor::index::usable_kernels())
    tables += (tables.empty() ? "" : ", ") + std::string(table->name);
  benchmark::AddCustomContext("kernel tables", tables);
  benchmark::AddCustomContext("kernels in use", nestor::index::kernels().name);
  for (const auto place : {nestor::bench::Place::sequential, nestor::bench::Place::random})
    for (const std::size_t width : nestor::bench::kWidths)
      for (const auto* table : nestor::index::usable_kernels()) nestor::bench::add(*table, width, place);
  for (const std::size_t width : nestor::bench::kWidths)
    for (const auto* table : nestor::index::usable_scan_kernels()) nestor::bench::add_scans(*table, width);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
