#pragma once
// Rows that are durable and searchable but not yet in a generation: appended by one writer, scanned exactly by any
// number of readers. Rows stand as stored, as float32, and beside them their codes where the generation has some, so
// that a long tail is scanned at a quarter of the bytes.

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>

#include "index/code_matrix.h"
#include "index/generation.h"
#include "index/row_coder.h"
#include "index/types.h"

namespace nestor::index {

struct TailRow {
  Slot slot = kNoSlot;
  PointEntry point;
  std::uint32_t value = kNoValue;
};

// One writer, many readers, no locks: a row is complete before the count that reveals it is published.
class Tail {
 public:
  // coder: null for a tail without codes.
  explicit Tail(std::size_t dim, std::unique_ptr<RowCoder> coder = nullptr)
      : dim_(dim), code_length_(coder == nullptr ? 0 : coder->length()), coder_(std::move(coder)) {}
  ~Tail() {
    for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
  }
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  // Writer only. Makes room for `rows` more, so that append cannot fail after a write became durable. Throws Error
  // resource_exhausted beyond kMaxChunks * kChunkRows rows, std::bad_alloc.
  void reserve(std::size_t rows);
  // Writer only. vector: dim values. Rows become visible together by publish().
  void append(const TailRow& row, std::span<const float> vector);
  void publish() { visible_.store(written_, std::memory_order_release); }

  std::size_t size() const { return visible_.load(std::memory_order_acquire); }
  const TailRow& row(std::size_t i) const { return chunk(i).rows[i % kChunkRows]; }
  const float* vector(std::size_t i) const { return chunk(i).vectors.get() + (i % kChunkRows) * dim_; }
  bool has_codes() const { return code_length_ != 0; }
  // Codes and error bytes (see CodeBound) of chunk c, rows c * kChunkRows and on. REQUIRES: has_codes(), a visible row
  // in it.
  CodeMatrix codes(std::size_t c) const { return CodeMatrix({{chunk(c * kChunkRows).codes.get(), 0, code_length_}}); }
  const std::uint8_t* code_errors(std::size_t c) const { return chunk(c * kChunkRows).code_errors.data(); }
  std::size_t bytes() const {
    return (size() + kChunkRows - 1) / kChunkRows * kChunkRows * (dim_ * 4 + sizeof(TailRow) + code_length_ + 1);
  }

  static constexpr std::size_t kChunkRows = 1024;
  static constexpr std::size_t kMaxChunks = 16384;  // 16 million rows

 private:
  void make_chunk(std::size_t number);

  struct Chunk {
    Chunk(std::size_t dim, std::size_t code_length)
        : vectors(new float[kChunkRows * dim]), codes(new std::uint8_t[kChunkRows * code_length]) {}
    std::array<TailRow, kChunkRows> rows;
    std::unique_ptr<float[]> vectors;
    std::unique_ptr<std::uint8_t[]> codes;
    std::array<std::uint8_t, kChunkRows> code_errors;
  };
  const Chunk& chunk(std::size_t i) const { return *chunks_[i / kChunkRows].load(std::memory_order_acquire); }

  std::size_t dim_, code_length_;
  std::unique_ptr<RowCoder> coder_;  // writer's
  std::size_t written_ = 0;          // writer's
  std::atomic<std::size_t> visible_{0};
  std::unique_ptr<std::atomic<Chunk*>[]> storage_{new std::atomic<Chunk*>[kMaxChunks]()};
  std::span<std::atomic<Chunk*>> chunks_{storage_.get(), kMaxChunks};
};

// Slots that died. Bits are only ever set; grows without moving, so readers need no lock.
class DeadSlots {
 public:
  DeadSlots() = default;
  ~DeadSlots() {
    for (auto& page : pages_) delete[] page.load(std::memory_order_relaxed);
  }
  DeadSlots(const DeadSlots&) = delete;
  DeadSlots& operator=(const DeadSlots&) = delete;

  bool contains(Slot slot) const {
    const std::atomic<std::uint64_t>* page = pages_[slot / kPageSlots].load(std::memory_order_acquire);
    if (page == nullptr) return false;
    return (page[slot % kPageSlots / 64].load(std::memory_order_acquire) >> (slot % 64) & 1) != 0;
  }
  // One writer. Makes room for slots below `end`, so that insert allocates nothing. Throws std::bad_alloc.
  void reserve(Slot end) {
    for (std::size_t p = 0; p * kPageSlots < end; ++p)
      if (pages_[p].load(std::memory_order_relaxed) == nullptr)
        pages_[p].store(new std::atomic<std::uint64_t>[kPageSlots / 64](), std::memory_order_release);
  }
  // One writer. REQUIRES: reserve() has made room for the slot.
  void insert(Slot slot) {
    std::atomic<std::uint64_t>* page = pages_[slot / kPageSlots].load(std::memory_order_relaxed);
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    const std::uint64_t before = page[slot % kPageSlots / 64].fetch_or(bit, std::memory_order_acq_rel);
    if ((before & bit) == 0) count_.fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kPageSlots = std::size_t{1} << 20;
  std::array<std::atomic<std::atomic<std::uint64_t>*>, 4096> pages_{};
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace nestor::index
