#pragma once
// A file read front to back with positioned reads. Not mmap: a file that is cut short while it is
// being imported then ends in an error instead of SIGBUS.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nestor::storage {

class InputFile {
 public:
  // Opens a regular file and tells the kernel that it will be read in order.
  // Throws Error: not_found, permission_denied, invalid_argument (not a regular file), internal.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  // In bytes, when it was opened.
  std::uint64_t size() const { return size_; }

  // Fills `out` from `offset`. Throws data_loss when the file has become shorter than size().
  // Thread-safe.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::string path_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace nestor::storage
