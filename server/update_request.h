#pragma once
// The writes of the dialect, by the names that points/batch gives them: read and checked first, run later.

#include <functional>
#include <string_view>

#include "server/catalog.h"
#include "server/json_view.h"
#include "server/limits.h"

namespace nestor::server {

// Writes and returns the sequence number. Throws HttpError 404 for a payload change of a point that does not exist,
// index::Error. Which points a filter chooses is decided when it runs.
using Update = std::function<index::Sequence()>;

// name: "upsert", "update_vectors", "delete_vectors", "delete", "set_payload", "overwrite_payload", "delete_payload",
// "clear_payload". Throws HttpError 4xx. `body`, `target` and `limits` must outlive the update.
Update read_update(std::string_view name, const JsonValue& body, const OpenCollection& target,
                   const RequestLimits& limits);

}  // namespace nestor::server
