#pragma once
// A filter over a collection: the points that meet it. Payloads are read only where the filter needs them, and only
// those of the points that a has_id in `must` names, if there is one.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "server/catalog.h"
#include "server/filter.h"
#include "server/json_view.h"
#include "server/limits.h"
#include "server/payload.h"
#include "server/stored_payload.h"

namespace nestor::server {

// The request's `filter`; null when it has none. Throws HttpError 400.
std::shared_ptr<const Filter> read_filter_field(const JsonValue& request, const OpenCollection& target,
                                                const RequestLimits& limits);
// The same of a field with another name.
std::shared_ptr<const Filter> read_filter(const JsonValue& request, std::string_view name, const OpenCollection& target,
                                          const RequestLimits& limits);

// `payload` as it is stored: JSON object text or empty. A value without a payload field counts as one, see payload.h.
bool accepts(const Filter& filter, const index::PointId& id, std::string_view payload,
             std::optional<std::uint32_t> value);

// The payload as an object; see `accepts` for the token.
using PayloadVisit = std::function<void(const index::RowHeader&, const JsonValue& payload)>;
// The live points with these slots (null: all), in any order.
void for_each_payload(const OpenCollection& target, const index::SelectedSlots* slots, const PayloadVisit& visit);
// The same without payloads.
void for_each_row(const OpenCollection& target, const index::SelectedSlots* slots,
                  const std::function<void(const index::RowHeader&)>& visit);

// The payload as filters see it: an object, with the row's value as its token.
template <typename Use>
auto with_payload(std::string_view payload, std::optional<std::uint32_t> value, const Use& use) {
  const StoredPayload document(payload);
  if (!value || document.root().find(kTokenField)) return use(document.root());
  const std::string with_token = with_token_field(document.root(), *value);
  return use(JsonDocument(with_token, kStoredDepth).root());
}

// These points, whatever they hold.
index::RowChoice choice_of(std::vector<index::PointId> ids);

// From payload indexes as far as they know; the payloads of the rest are read.
index::SelectedSlots select_slots(const OpenCollection& target, const Filter& filter);
std::vector<index::PointId> select_ids(const OpenCollection& target, const Filter& filter);  // ascending
std::uint64_t count_points(const OpenCollection& target, const Filter& filter);

}  // namespace nestor::server
