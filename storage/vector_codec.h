#pragma once
// A vector as its bands: band i holds the coordinates from width i-1 (or 0) up to width i, as float32 or IEEE float16,
// little-endian. A read at width w touches only the bands that begin below w.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "index/options.h"

namespace nestor::storage {

// Immutable after construction, so any number of threads may share one.
class VectorCodec {
 public:
  // REQUIRES: validated options.
  explicit VectorCodec(const index::CollectionOptions& options);

  std::size_t dim() const { return ends_.back(); }
  std::size_t bands() const { return ends_.size(); }
  // How many leading bands hold the first `width` coordinates; width 1..dim.
  std::size_t bands_for(std::size_t width) const;
  std::size_t band_begin(std::size_t band) const { return band == 0 ? 0 : ends_[band - 1]; }
  std::size_t band_end(std::size_t band) const { return ends_[band]; }
  std::size_t band_bytes(std::size_t band) const { return (band_end(band) - band_begin(band)) * scalar_bytes_; }
  std::size_t vector_bytes() const { return dim() * scalar_bytes_; }

  // The bytes of a whole vector; band_of() cuts them. The result lives as long as `vector` and `scratch`.
  std::string_view encode(std::span<const float> vector, std::vector<std::uint16_t>& scratch) const;
  std::string_view band_of(std::string_view encoded, std::size_t band) const;

  // Writes the band's coordinates into their places in `prefix`; those at or beyond prefix.size() are left out.
  // Throws Error data_loss when `bytes` has the wrong length.
  void decode(std::size_t band, std::string_view bytes, std::span<float> prefix) const;

 private:
  std::vector<std::size_t> ends_;  // the widths
  std::size_t scalar_bytes_;
};

}  // namespace nestor::storage
