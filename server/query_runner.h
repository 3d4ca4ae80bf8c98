#pragma once
// Running queries that have been read: search, take out what the request does not want, cut to its page.

#include <span>
#include <vector>

#include "server/query_request.h"

namespace nestor::server {

// One page of hits, nearest first. Throws HttpError 400 (page beyond kMaxNeighbours), 404 (query by an id
// that does not exist), index::Error.
index::QueryResult run_query(const OpenCollection& target, const QueryRequest& query);

// In order. Queries that differ in their vector only are searched together, on `threads` threads.
std::vector<index::QueryResult> run_queries(const OpenCollection& target, std::span<const QueryRequest> queries,
                                            unsigned threads);

}  // namespace nestor::server
