#pragma once
// SHA-256 (OpenSSL's) for what leaves the machine: snapshots.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace nestor::storage {

class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  // 64 lower-case hex digits. Once, at the end.
  std::string hex();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

// Of a whole file. Throws Error. O(bytes), about 0.5 to 2 GB/s.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace nestor::storage
