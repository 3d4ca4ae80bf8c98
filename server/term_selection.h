#pragma once
// What payload indexes know of a filter, without reading payloads.

#include "server/catalog.h"
#include "server/filter.h"
#include "server/slot_bits.h"
#include "storage/payload_index.h"

namespace nestor::server {

// certain is in possible, the live points that meet the filter lie between the two. What no index decides is possible
// everywhere and certain nowhere.
struct Selected {
  SlotBits certain, possible;
};

// `live`: the slots below terms.next_slot() that are alive.
Selected select_by_terms(const Filter& filter, const OpenCollection& target, const storage::TermReader& terms,
                         const SlotBits& live);

}  // namespace nestor::server
