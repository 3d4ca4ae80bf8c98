#pragma once
// From a filter's JSON to a Filter. Strict: what a filter does not know it would silently not apply.

#include <memory>

#include "server/filter.h"
#include "server/limits.h"
#include "server/schema.h"

namespace nestor::server {

// Throws HttpError 400: unknown or contradicting fields, more conditions or ids than the limits allow, and the
// conditions of the dialect that are not spoken (geo, full text, slice), each by its name.
std::shared_ptr<const Filter> read_filter(const JsonValue& value, const Schema& schema, const RequestLimits& limits);

}  // namespace nestor::server
