#include "index/memory.h"

#include <sys/mman.h>

#include <string>

#include "index/error.h"

namespace nestor::index {

HugeBuffer::HugeBuffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const bool huge = bytes >= kHugePage;
  mapped_ = huge ? (bytes + 2 * kHugePage - 1) / kHugePage * kHugePage : bytes;
  mapping_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw Error(ErrorCode::resource_exhausted, "cannot allocate " + std::to_string(bytes) + " bytes of memory");
  }
  auto address = reinterpret_cast<std::uintptr_t>(mapping_);
  if (huge) {
    address = (address + kHugePage - 1) / kHugePage * kHugePage;
    madvise(reinterpret_cast<void*>(address), bytes, MADV_HUGEPAGE);
  }
  data_ = reinterpret_cast<std::byte*>(address);
}

HugeBuffer::~HugeBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

}  // namespace nestor::index
