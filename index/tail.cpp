#include "index/tail.h"

#include <cstring>
#include <string>

#include "index/error.h"

namespace nestor::index {

void Tail::make_chunk(std::size_t number) {
  if (number >= kMaxChunks)
    throw Error(ErrorCode::resource_exhausted, "more than " + std::to_string(kMaxChunks * kChunkRows) +
                                                   " rows would wait to be indexed; build the collection first");
  if (chunks_[number].load(std::memory_order_relaxed) == nullptr)
    chunks_[number].store(new Chunk(dim_, code_length_), std::memory_order_release);
}

void Tail::reserve(std::size_t rows) {
  if (rows == 0) return;
  const std::size_t last = (written_ + rows - 1) / kChunkRows;
  if (last >= kMaxChunks) make_chunk(last);  // refuses before anything is allocated
  for (std::size_t c = written_ / kChunkRows; c <= last; ++c) make_chunk(c);
}

void Tail::append(const TailRow& row, std::span<const float> vector) {
  const std::size_t c = written_ / kChunkRows;
  make_chunk(c);
  Chunk* chunk = chunks_[c].load(std::memory_order_relaxed);
  chunk->rows[written_ % kChunkRows] = row;
  std::memcpy(chunk->vectors.get() + (written_ % kChunkRows) * dim_, vector.data(), dim_ * sizeof(float));
  if (coder_ != nullptr)
    chunk->code_errors[written_ % kChunkRows] =
        coder_->code(vector, chunk->codes.get() + (written_ % kChunkRows) * code_length_);
  ++written_;
}

}  // namespace nestor::index
