#pragma once
// What this process takes from the machine, as the kernel tells it.

#include <cstdint>

namespace nestor::server {

struct ProcessUsage {
  std::uint64_t resident_bytes = 0;  // private and mapped files together
  std::uint64_t mapped_bytes = 0;    // of them, pages of mapped files: the system takes them back when it needs room
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_files = 0;
  double cpu_seconds = 0;

  std::uint64_t private_bytes() const { return resident_bytes - mapped_bytes; }
};

// What cannot be read stays 0.
ProcessUsage process_usage();

}  // namespace nestor::server
