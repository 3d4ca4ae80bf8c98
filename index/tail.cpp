#include "index/tail.h"

#include <cstring>

#include "index/error.h"

namespace nestor::index {

void Tail::append(const TailRow& row, std::span<const float> vector) {
  const std::size_t c = written_ / kChunkRows;
  if (c >= kMaxChunks)
    throw Error(ErrorCode::resource_exhausted, "too many rows wait to be indexed; build the collection first");
  Chunk* chunk = chunks_[c].load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    chunk = new Chunk(dim_);
    chunks_[c].store(chunk, std::memory_order_release);
  }
  chunk->rows[written_ % kChunkRows] = row;
  std::memcpy(chunk->vectors.get() + (written_ % kChunkRows) * dim_, vector.data(), dim_ * sizeof(float));
  ++written_;
}

}  // namespace nestor::index
