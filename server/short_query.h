#pragma once
// Which queries are answered on the connection's own thread.

#include "server/query_request.h"

namespace nestor::server {

// True for one that is sure to take well below a millisecond: few neighbours, no filter, few rows to compare one by
// one. O(1), reads nothing from the collection's records.
bool is_short(const OpenCollection& target, const QueryRequest& query);

}  // namespace nestor::server
