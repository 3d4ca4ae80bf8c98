#pragma once
// Stored rows by id: the distance of a query to points the caller already knows (RetoMaton's pointers, a re-ranker's
// candidates), their vectors and their tokens. No graph is walked.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/options.h"
#include "index/record_store.h"
#include "index/search_types.h"

namespace nestor::index {

struct View;
class DeadSlots;

// Sees the rows of one moment and, where a point was written since, its newest version. Thread-safe. Must not outlive
// its collection.
class RowReader {
 public:
  RowReader(std::shared_ptr<const View> view, const CollectionOptions& options);

  // The slot of a live point; kNoSlot: there is none. O(1) where ids are row numbers in the order they were written,
  // as in a kNN-LM datastore; otherwise a look-up in the records.
  Slot find(const PointId& id) const;
  std::uint64_t numbering() const;  // that its slots are of

  // Over all coordinates, smaller is nearer (see Metric); infinity where there is no such point.
  // query: dim finite values. Throws Error invalid_argument.
  std::vector<float> distances(std::span<const float> query, std::span<const PointId> ids) const;
  // Row-major [ids.size() x dim], as stored: normalised with cosine. Throws Error not_found naming the first missing
  // id.
  std::vector<float> vectors(std::span<const PointId> ids) const;
  // The kNN-LM token of each point; nullopt: no such point, or none stored.
  std::vector<std::optional<std::uint32_t>> values(std::span<const PointId> ids) const;

 private:
  // Where a row lies: in the generation, in the tail, or (written since the view was taken) in the records only.
  struct Place {
    enum class In { nowhere, generation, tail, records } in = In::nowhere;
    std::uint32_t number = 0;
    Slot slot = kNoSlot;
  };
  Place place_of(const PointId& id) const;
  std::optional<Place> guess(std::uint64_t number) const;
  Place place_of_slot(Slot slot) const;

  std::shared_ptr<const View> view_;
  const CollectionOptions& options_;
  const DeadSlots& dead_;
  const RecordStore& records_;
};

}  // namespace nestor::index
