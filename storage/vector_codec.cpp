#include "storage/vector_codec.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <string>

#include "index/distance.h"
#include "index/error.h"
#include "storage/byte_order.h"

namespace nestor::storage {

VectorCodec::VectorCodec(const index::CollectionOptions& options)
    : ends_(options.widths.begin(), options.widths.end()),
      scalar_bytes_(options.scalar_type == index::ScalarType::float16 ? 2 : 4) {
  assert(!ends_.empty() && ends_.back() == options.dim);
}

std::size_t VectorCodec::bands_for(std::size_t width) const {
  assert(width >= 1 && width <= dim());
  return static_cast<std::size_t>(std::lower_bound(ends_.begin(), ends_.end(), width) - ends_.begin()) + 1;
}

std::string_view VectorCodec::encode(std::span<const float> vector, std::vector<std::uint16_t>& scratch) const {
  assert(vector.size() == dim());
  if (scalar_bytes_ == 4) return {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()};
  scratch.resize(vector.size());
  index::kernels().f16_from_f32(vector.data(), scratch.data(), vector.size());
  return {reinterpret_cast<const char*>(scratch.data()), vector.size() * 2};
}

std::string_view VectorCodec::band_of(std::string_view encoded, std::size_t band) const {
  return encoded.substr(band_begin(band) * scalar_bytes_, band_bytes(band));
}

void VectorCodec::decode(std::size_t band, std::string_view bytes, std::span<float> prefix) const {
  if (bytes.size() != band_bytes(band))
    throw index::Error(index::ErrorCode::data_loss, "band " + std::to_string(band) + " of a row has " +
                                                        std::to_string(bytes.size()) + " bytes, expected " +
                                                        std::to_string(band_bytes(band)));
  const std::size_t begin = band_begin(band);
  const std::size_t end = std::min(band_end(band), prefix.size());
  if (begin >= end) return;
  if (scalar_bytes_ == 4) {
    std::memcpy(prefix.data() + begin, bytes.data(), (end - begin) * 4);
    return;
  }
  // RocksDB's values lie at any address, the kernel wants whole halves at even ones: a copy through the stack.
  std::array<std::uint16_t, 256> halves;
  for (std::size_t at = begin; at < end; at += halves.size()) {
    const std::size_t count = std::min(halves.size(), end - at);
    std::memcpy(halves.data(), bytes.data() + (at - begin) * 2, count * 2);
    index::kernels().f32_from_f16(halves.data(), prefix.data() + at, count);
  }
}

}  // namespace nestor::storage
