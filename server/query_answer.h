#pragma once
// Hits as JSON: ScoredPoint objects of the dialect.

#include <string>
#include <vector>

#include "server/query_hit.h"
#include "server/query_request.h"

namespace nestor::server {

// What the hits of a query show besides id, version and score.
RecordFormat answer_format(const OpenCollection& target, const QueryRequest& query);

// One hit; false, and nothing appended, when it was deleted since the search. `prefix` goes before it.
bool append_hit(std::string& out, std::string_view prefix, const OpenCollection& target, const QueryHit& hit,
                const RecordFormat& format);
// [{"id":...,"version":...,"score":...,"payload":...,"vector":...}, ...]
void append_hits(std::string& out, const OpenCollection& target, const std::vector<QueryHit>& hits,
                 const RecordFormat& format);

}  // namespace nestor::server
