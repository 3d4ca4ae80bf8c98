#include "storage/import/fingerprint.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "storage/checksum.h"

namespace nestor::storage {

std::string fingerprint(const InputFile& file) {
  constexpr std::uint64_t kBlock = 64 << 10, kBlocks = 256;
  const std::uint64_t blocks = std::min(kBlocks, (file.size() + kBlock - 1) / kBlock);
  std::vector<std::uint64_t> marks{file.size()};
  std::vector<std::byte> bytes;
  for (std::uint64_t b = 0; b < blocks; ++b) {
    const bool whole = file.size() <= kBlock * kBlocks;
    const std::uint64_t offset = whole ? b * kBlock : (file.size() - kBlock) / (blocks - 1) * b;
    bytes.resize(static_cast<std::size_t>(std::min(kBlock, file.size() - offset)));
    file.read(offset, bytes);
    marks.push_back(checksum(bytes));
  }
  const std::uint64_t mark = checksum(std::as_bytes(std::span(marks)));
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[mark >> shift & 15];
  return text;
}

}  // namespace nestor::storage
