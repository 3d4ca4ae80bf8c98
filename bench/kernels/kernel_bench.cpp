// Nanoseconds and bytes per second of every distance kernel that this processor can run, by width, over rows that lie
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

void codes(benchmark::State& state, const Kernels& table, bool l2, std::size_t width, Place place) {
  const std::vector<std::uint32_t> rows = plan_rows(place, width);
  std::vector<std::uint8_t> query(width, 60);
  std::int32_t out[kBatch];
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + kBatch > rows.size()) at = 0;
    const index::simd::CodeBatch batch{reinterpret_cast<const std::uint8_t*>(big_block().data()), width,
                                       rows.data() + at, kBatch, width, true};
    if (l2)
      table.l2_codes(query.data(), batch, out);
    else
      table.dot_codes(reinterpret_cast<const std::int8_t*>(query.data()), batch, out);
    benchmark::DoNotOptimize(out);
    at += kBatch;
  }
  count_rows(state, kBatch, width);
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
  const auto named = [&](const char* name, auto run) { benchmark::RegisterBenchmark((name + end).c_str(), run); };
  named("l2 codes", [=, &table](benchmark::State& s) { codes(s, table, true, width, place); });
  named("dot codes", [=, &table](benchmark::State& s) { codes(s, table, false, width, place); });
  named("l2 f16", [=, &table](benchmark::State& s) { floats(s, table.l2_f16, width, place); });
  named("dot f16", [=, &table](benchmark::State& s) { floats(s, table.dot_f16, width, place); });
  named("l2 f32", [=, &table](benchmark::State& s) { floats(s, table.l2_f32, width, place); });
  named("dot f32", [=, &table](benchmark::State& s) { floats(s, table.dot_f32, width, place); });
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
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
