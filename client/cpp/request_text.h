#pragma once
// What the client says, as JSON text: built by hand, since a tree of values for a thousand vectors costs more than
// sending them.

#include <span>
#include <string>

#include "client/cpp/remote_database.h"

namespace nestor::client {

void append_query_vector(std::string& out, std::span<const float> vector, VectorEncoding encoding);
std::string upsert_text(std::span<const index::Point> points, VectorEncoding encoding);
std::string ids_text(std::span<const index::PointId> ids);  // "[1,2]"
// {"query":...,"limit":...,"params":...}. Throws Error invalid_argument for what cannot be said.
std::string search_text(std::span<const float> query, const index::SearchOptions& options, VectorEncoding encoding);
// "" or ",\"params\":{...}".
std::string params_text(const index::SearchOptions& options);

}  // namespace nestor::client
