#include "index/packed_links.h"

#include <atomic>

#include "index/error.h"
#include "index/parallel.h"
#include "index/types.h"

namespace nestor::index {

PackedLinks::PackedLinks(std::span<const std::uint32_t> links, std::size_t rows, std::uint32_t degree)
    : degree_(degree),
      bytes_each_(rows < (std::size_t{1} << 24) ? 3 : 4),
      stride_(degree * bytes_each_),
      none_(bytes_each_ == 3 ? 0xFFFFFFu : kNoSlot),
      links_(rows * stride_ + sizeof(std::uint32_t) - bytes_each_) {  // read() reads four bytes of the last one, too
  constexpr std::size_t kBlock = 65'536;
  std::atomic<bool> in_range{true};
  parallel_blocks(rows, kBlock, 0, [&](std::size_t first, std::size_t last) {
    std::byte* to = links_.data() + first * stride_;
    bool fine = true;
    for (const std::uint32_t link : links.subspan(first * degree, (last - first) * degree)) {
      fine = fine && (link < rows || link == kNoSlot);
      std::memcpy(to, &link, bytes_each_);  // the low bytes; of kNoSlot they are none_
      to += bytes_each_;
    }
    if (!fine) in_range = false;
  });
  if (!in_range) throw Error(ErrorCode::data_loss, "the generation's graph has a link out of range");
}

}  // namespace nestor::index
