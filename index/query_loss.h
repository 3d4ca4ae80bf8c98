#pragma once
// How much one answer loses against the exact one, in 0..1: what calibration averages.

#include <cstdint>
#include <span>

#include "index/certificate.h"
#include "index/collection.h"

namespace nestor::index {

// Share of the k = exact.size() exact neighbours found. Distances are exact, ascending. A row found counts when it is
// as near as the k-th exact one, up to 1e-6 of it: among equals it is nobody's fault which ones were returned.
// At most k count. 1 when there is nothing to find.
double tied_recall(std::span<const float> exact, std::span<const float> found);

// Half the sum of |p - q| over all tokens; both as token_distribution makes them. 1 against an empty distribution.
double total_variation(const QueryResult& exact, const QueryResult& found, double temperature);

// The loss that a certificate's kind and parameter name.
float query_loss(LossKind kind, double parameter, const QueryResult& exact, const QueryResult& found);

}  // namespace nestor::index
