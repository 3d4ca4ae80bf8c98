#pragma once
// Work shared over threads, in blocks, for batches and builds.

#include <cstddef>
#include <functional>

namespace nestor::index {

// 0 becomes the number of cores.
unsigned thread_count(unsigned requested);

// Calls work(first, last) for blocks of [0, count) from up to `threads` threads (the caller is one of them).
// The first exception thrown is rethrown here after all threads have ended.
void parallel_blocks(std::size_t count, std::size_t block, unsigned threads,
                     const std::function<void(std::size_t first, std::size_t last)>& work);

}  // namespace nestor::index
