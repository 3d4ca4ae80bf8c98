#pragma once
// `params` of a query or a lookup, and picking the one dense vector of a request that may name it.

#include <span>
#include <string>

#include "index/options.h"
#include "index/search_types.h"
#include "server/json_view.h"
#include "server/schema.h"

namespace nestor::server {

// Reads params {hnsw_ef, exact, matryoshka {width, stages, explain, target_recall, max_latency_ms, encoder}} of a
// request into `search`; `query_type` is its query's reader's. Fields of the dialect that have no meaning here
// (quantization, indexed_only, acorn) are ignored, unknown ones of `matryoshka` are refused. Throws HttpError 4xx.
void read_search_params(const JsonValue& request, index::SearchOptions& search);

// [1, 2] stays; {"name": [1, 2]} becomes [1, 2] when the name is the collection's.
JsonValue dense_vector(const JsonValue& value, const Schema& schema, std::string_view where);
// `using` of a query: absent, or the collection's vector name.
void check_vector_name(const std::string& name, const Schema& schema);

// A query may have all coordinates or exactly as many as one of the widths.
void check_query_length(const index::CollectionOptions& options, std::size_t length);

// Members of an object, without braces: "certified":true,"certificate":3,"exit_stage":"distance gap"
void append_certification(std::string& out, const index::Certification& said);

void append_stage_reports(std::string& out, std::span<const index::StageReport> stages);

}  // namespace nestor::server
