#pragma once
// What queries answer with.

#include <optional>
#include <string>
#include <vector>

#include "index/search_types.h"
#include "index/types.h"

namespace nestor::server {

struct QueryHit {
  index::PointId id;
  index::Slot slot = index::kNoSlot;  // as of the search
  index::Sequence version = 0;
  float score = 0;
  float distance = 0;       // of a search by vector, see index::Hit
  std::string order_value;  // JSON, of a query by order_by; else empty
};

struct QueryAnswer {
  std::vector<QueryHit> hits;
  std::vector<index::StageReport> stages;  // when asked for; those of prefetches first, named "prefetch[0].walk"
  std::optional<index::Certification> certification;  // of a search by vector with a target or a budget
  std::uint64_t numbering = 0;  // that the hits' slots are of; 0: not known to be one
};

}  // namespace nestor::server
