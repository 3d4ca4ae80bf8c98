#pragma once
// What the client says, as JSON text: built by hand, since a tree of values for a thousand vectors costs more than
// sending them.

#include <span>
#include <string>
#include <string_view>

#include "client/cpp/remote_database.h"

namespace nestor::client {

void append_query_vector(std::string& out, std::span<const float> vector, VectorEncoding encoding);
// A list of `count` of them, row-major.
void append_query_vectors(std::string& out, std::span<const float> vectors, std::size_t count, VectorEncoding encoding);
// Values of one of `count` rows. Throws Error invalid_argument when they have no common length.
std::size_t row_length(std::span<const float> rows, std::size_t count);
std::string upsert_text(std::span<const index::Point> points, VectorEncoding encoding);
std::string ids_text(std::span<const index::PointId> ids);  // "[1,2]"
// {"query":...,"limit":...,"params":...}. Throws Error invalid_argument for what cannot be said.
std::string search_text(std::span<const float> query, const index::SearchOptions& options, VectorEncoding encoding);
// "[1,2.5]"; JSON has no others. Throws Error invalid_argument for a number that is not finite.
void append_finite(std::string& out, std::span<const float> numbers, std::string_view what);
// "" or ",\"params\":{...}".
// query_type: what a base64 query holds; null: the query is a list, or there is none.
std::string params_text(const index::SearchOptions& options, const char* query_type = nullptr);
// ",\"k\":...": of a lookup all but queries, columns and excluded documents. Throws Error invalid_argument for those.
std::string lookup_options_text(const index::LookupOptions& options);

}  // namespace nestor::client
