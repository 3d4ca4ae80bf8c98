#pragma once
// Deterministic rows for storage tests: what slot s holds follows from s alone, so any reader can check it.

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "index/distance.h"
#include "index/options.h"
#include "index/record_store.h"
#include "storage/rocks_store.h"

namespace nestor::tests {

inline index::CollectionOptions small_options(index::ScalarType type = index::ScalarType::float32) {
  index::CollectionOptions options;
  options.dim = 12;
  options.widths = {4, 8, 12};
  options.metric = index::Metric::l2;
  options.scalar_type = type;
  options.graph = {16, 200, 42};  // spelt out: the golden bytes must not follow the defaults
  options.exact_below = 5000;
  return options.validated();
}

// dim values that float16 holds exactly.
inline std::vector<float> vector_of(index::Slot slot, std::uint32_t dim = 12) {
  std::vector<float> vector(dim);
  for (std::uint32_t i = 0; i < dim; ++i)
    vector[i] = static_cast<float>(static_cast<int>((slot * 31 + i * 7) % 1000) - 500) / 4.0f;
  return vector;
}

inline std::string payload_of(index::Slot slot) {
  return slot % 3 == 0 ? std::string() : "{\"slot\":" + std::to_string(slot) + "}";
}

// One operation with the vectors and payloads it points to. Copies share them.
struct OwnedOperation {
  struct Pool {  // elements stay in place
    std::deque<std::vector<float>> vectors;
    std::deque<std::string> payloads;
  };
  std::shared_ptr<Pool> pool = std::make_shared<Pool>();
  index::WriteOperation operation;

  OwnedOperation(index::Sequence sequence, index::Slot next_slot) {
    operation.sequence = sequence;
    operation.next_slot = next_slot;
  }
  OwnedOperation& upsert(const index::PointId& id, index::Slot slot, index::Slot replaced = index::kNoSlot,
                         std::uint32_t dim = 12) {
    pool->vectors.push_back(vector_of(slot, dim));
    pool->payloads.push_back(payload_of(slot));
    std::optional<std::uint32_t> value;
    if (slot % 2 == 0) value = slot * 10;
    operation.upserts.push_back({id, slot, replaced, pool->vectors.back(), pool->payloads.back(), value});
    return *this;
  }
  OwnedOperation& erase(const index::PointId& id, index::Slot slot) {
    operation.erases.push_back({id, slot});
    return *this;
  }
  OwnedOperation& payload(index::Slot slot, std::string text, std::optional<std::uint32_t> value) {
    pool->payloads.push_back(std::move(text));
    operation.payloads.push_back({slot, pool->payloads.back(), value});
    return *this;
  }
};

inline index::PointId number(std::uint64_t value) { return index::PointId::number(value); }
inline index::PointId uuid(std::uint64_t high, std::uint64_t low) { return {true, high, low}; }

inline std::shared_ptr<storage::RocksStore> make_store(const std::filesystem::path& where,
                                                       const index::CollectionOptions& options = small_options(),
                                                       const std::string& attributes = "{}") {
  const auto resources = storage::make_store_resources();
  storage::RocksStore::create(where, options, attributes, resources);
  return storage::RocksStore::open(where, resources);
}

inline std::shared_ptr<storage::RocksStore> reopen(std::shared_ptr<storage::RocksStore>& store,
                                                   const std::filesystem::path& where) {
  store.reset();
  return store = storage::RocksStore::open(where, storage::make_store_resources());
}

}  // namespace nestor::tests
