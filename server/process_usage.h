#pragma once
// What this process takes from the machine, as the kernel tells it.

#include <cstdint>

namespace nestor::server {

struct ProcessUsage {
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_files = 0;
  double cpu_seconds = 0;
};

// What cannot be read stays 0.
ProcessUsage process_usage();

}  // namespace nestor::server
