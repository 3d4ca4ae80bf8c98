#pragma once
// A payload as it stands in the store, to be read.

#include <optional>
#include <string_view>

#include "server/json_view.h"
#include "server/payload.h"
#include "server/protocol.h"

namespace nestor::server {

// Always an object. What older versions stored and is no JSON object (see index/payload_check.h) counts as an empty
// one: one such row must not break a filter, a facet or an index of all others.
class StoredPayload {
 public:
  explicit StoredPayload(std::string_view text) {
    if (text.empty() || !read(text)) document_.emplace("{}");
  }
  JsonValue root() const { return document_->root(); }

 private:
  bool read(std::string_view text) {
    try {
      return document_.emplace(text, kStoredDepth).root().is_object();
    } catch (const HttpError&) {
      return false;
    }
  }

  std::optional<JsonDocument> document_;
};

}  // namespace nestor::server
