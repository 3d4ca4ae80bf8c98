#pragma once
// The memory that every benchmark here reads: too large for any cache, or the first few rows of it.

#include <cstddef>
#include <cstdint>
#include <span>

namespace nestor::bench {

// Huge pages where offered, as Nestor's own codes and links have. Filled with bytes that are ordinary numbers as
// codes, float16 and float32 alike: no NaN and no denormal slows a kernel down. NESTOR_BENCH_BLOCK_MB sets its size,
// 1024 by default; it should be well above the last-level cache.
std::span<const std::byte> big_block();

// Random numbers below `limit`, the same in every run; as many as it takes to leave any cache before one comes again.
std::span<const std::uint32_t> random_numbers(std::uint32_t limit);

}  // namespace nestor::bench
