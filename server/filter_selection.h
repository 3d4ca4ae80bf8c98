#pragma once
// A filter over a collection: the points that meet it. Payloads are read only where the filter needs them, and only
// those of the points that a has_id in `must` names, if there is one.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "server/catalog.h"
#include "server/filter.h"
#include "server/json_view.h"
#include "server/limits.h"

namespace nestor::server {

// The request's `filter`; null when it has none. Throws HttpError 400.
std::shared_ptr<const Filter> read_filter_field(const JsonValue& request, const OpenCollection& target,
                                                const RequestLimits& limits);

// `payload` as it is stored: JSON object text or empty. A value without a payload field counts as one, see payload.h.
bool accepts(const Filter& filter, const index::PointId& id, std::string_view payload,
             std::optional<std::uint32_t> value);

index::SelectedSlots select_slots(const OpenCollection& target, const Filter& filter);
std::vector<index::PointId> select_ids(const OpenCollection& target, const Filter& filter);  // ascending
std::uint64_t count_points(const OpenCollection& target, const Filter& filter);

}  // namespace nestor::server
