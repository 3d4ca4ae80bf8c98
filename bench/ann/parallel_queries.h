#pragma once
// Queries shared over threads, for engines whose library offers no batch search of its own.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace nestor::bench::ann {

// Calls work(i) for every i below count from `threads` threads, the caller being one. work must not throw.
template <class Function>
void parallel_queries(std::size_t count, unsigned threads, const Function& work) {
  std::atomic<std::size_t> next{0};
  constexpr std::size_t kAtOnce = 16;  // as many as Nestor's own batches take at once
  const auto run = [&] {
    for (std::size_t first = next.fetch_add(kAtOnce); first < count; first = next.fetch_add(kAtOnce))
      for (std::size_t i = first; i < std::min(first + kAtOnce, count); ++i) work(i);
  };
  std::vector<std::thread> helpers;
  for (unsigned t = 1; t < threads; ++t) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace nestor::bench::ann
