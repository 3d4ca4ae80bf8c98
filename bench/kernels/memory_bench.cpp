// What the memory gives: the measure of every kernel that reads rows out of cache.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "bench/kernels/big_block.h"
#include "index/memory.h"

namespace nestor::bench {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kNumbers = std::size_t{1} << 22;  // 4 M lines of 64 bytes are 256 MB

void set_bytes(benchmark::State& state, std::size_t per_iteration) {
  state.counters["bytes"] = benchmark::Counter(
      static_cast<double>(per_iteration), benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void sequential_read(benchmark::State& state) {
  const auto block = big_block();
  const auto* words = reinterpret_cast<const std::uint64_t*>(block.data());
  const std::size_t count = block.size() / sizeof *words;
  for (auto _ : state) {
    std::uint64_t sums[8] = {};
    for (std::size_t i = 0; i + 8 <= count; i += 8)
      for (std::size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
    benchmark::DoNotOptimize(sums);
  }
  set_bytes(state, block.size());
}

// Independent lines, fetched ahead: what a walk that prefetches its neighbours' codes can have.
void random_lines(benchmark::State& state) {
  const auto block = big_block();
  const auto lines = random_numbers(static_cast<std::uint32_t>(block.size() / kLine));
  const auto ahead = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t kAtOnce = 4096;
  std::size_t at = 0;
  std::uint64_t sum = 0;
  for (auto _ : state) {
    if (at + kAtOnce + ahead > lines.size()) at = 0;
    for (std::size_t i = at; i < at + kAtOnce; ++i) {
      if (ahead != 0) __builtin_prefetch(block.data() + lines[i + ahead] * kLine);
      std::uint64_t words[kLine / 8];
      std::memcpy(words, block.data() + lines[i] * kLine, kLine);
      for (const std::uint64_t word : words) sum += word;
    }
    at += kAtOnce;
  }
  benchmark::DoNotOptimize(sum);
  set_bytes(state, kAtOnce * kLine);
  state.counters["line"] = benchmark::Counter(
      static_cast<double>(kAtOnce), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// Each line names the next: nothing can be fetched ahead, the full latency of a miss shows.
void dependent_miss(benchmark::State& state) {
  const std::size_t count = big_block().size() / kLine;
  static const index::HugeBuffer chain = [&] {
    index::HugeBuffer buffer(count * kLine);
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), std::mt19937_64(3));
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(buffer.data() + order[i] * kLine, &order[(i + 1) % count], sizeof order[0]);
    return buffer;
  }();
  std::uint32_t at = 0;
  for (auto _ : state) {
    std::memcpy(&at, chain.data() + at * kLine, sizeof at);
    benchmark::DoNotOptimize(at);
  }
  set_bytes(state, kLine);
}

}  // namespace

std::span<const std::byte> big_block() {
  static const index::HugeBuffer block = [] {
    const char* text = std::getenv("NESTOR_BENCH_BLOCK_MB");
    const std::size_t megabytes =
        std::clamp<std::size_t>(text == nullptr ? 1024 : std::strtoull(text, nullptr, 10), 1, 65536);
    index::HugeBuffer buffer(megabytes << 20);
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < buffer.size(); i += 8) {
      // Bytes 0x38..0x3F: about 0.5..2 as float16, small as float32, 56..63 as a code.
      const std::uint64_t word = (random() & 0x0707070707070707ull) | 0x3838383838383838ull;
      std::memcpy(buffer.data() + i, &word, sizeof word);
    }
    return buffer;
  }();
  return block.bytes();
}

std::span<const std::uint32_t> random_numbers(std::uint32_t limit) {
  static std::vector<std::uint32_t> numbers(kNumbers);
  static std::uint32_t last_limit = 0;
  if (limit != last_limit) {
    std::mt19937_64 random(2);
    for (std::uint32_t& number : numbers) number = static_cast<std::uint32_t>(random() % limit);
    last_limit = limit;
  }
  return numbers;
}

BENCHMARK(sequential_read)->Name("memory/sequential read")->Unit(benchmark::kMillisecond);
BENCHMARK(random_lines)
    ->Name("memory/random lines, fetched ahead by")
    ->Arg(0)
    ->Arg(8)
    ->Arg(16)
    ->Arg(32)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(dependent_miss)->Name("memory/dependent miss");

}  // namespace nestor::bench
