#pragma once
// The machine under the figures: what it is, how much memory this process holds, which core it runs on.

#include <cstdint>
#include <string>
#include <vector>

namespace nestor::bench::ann {

std::string cpu_model();
// The instruction sets that matter here, of those the processor has: "avx2 fma f16c avx512f ...".
std::string cpu_features();
unsigned cpu_count();

struct ResidentMemory {
  std::uint64_t anonymous = 0;  // heap and private maps
  std::uint64_t file = 0;       // pages of mapped files that are in memory
};
// Free heap is given back first, so that a difference of two readings is what was kept in between.
ResidentMemory resident_memory();

// Keeps the calling thread on one core while it lives.
class PinnedThread {
 public:
  explicit PinnedThread(int core);  // negative: does nothing; throws std::runtime_error for a core that is not there
  ~PinnedThread();
  PinnedThread(const PinnedThread&) = delete;
  PinnedThread& operator=(const PinnedThread&) = delete;

 private:
  std::vector<std::uint8_t> before_;  // the thread's mask; empty: untouched
};

}  // namespace nestor::bench::ann
