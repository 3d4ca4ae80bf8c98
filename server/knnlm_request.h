#pragma once
// What the knnlm endpoints have in common: the datastore behind a collection, and the fields of their bodies.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/api.h"
#include "server/json_view.h"
#include "server/protocol.h"
#include "server/router.h"
#include "storage/datastore.h"

namespace nestor::server {

// Keeps what datastores share from request to request, without keeping collections alive. Thread-safe.
class DatastoreCatalog {
 public:
  storage::Datastore open(const std::shared_ptr<index::Collection>& collection);

 private:
  struct Entry {
    std::weak_ptr<index::Collection> collection;
    std::shared_ptr<storage::DatastoreState> state;
  };
  std::mutex mutex_;
  std::map<const index::Collection*, Entry> entries_;
};

// Vectors of one length: `name` is a list of them.
struct VectorList {
  std::vector<float> values;  // [count x dim]
  std::size_t count = 0;
};
// Throws HttpError 400: missing, empty, too many, of another length than dim.
VectorList read_vectors(const JsonValue& body, std::string_view name, const OpenCollection& target,
                        const RequestLimits& limits);

// Everything but the queries: k, temperature, top, eta, weights, weight_mode, exclude_doc_id, entry_ids, params.
storage::DatastoreQuery read_datastore_query(const JsonValue& body, const RequestLimits& limits);

// Numbers, or base64 of float32; empty when the field is missing.
std::vector<float> read_floats(const JsonValue& body, std::string_view name);
// Unsigned integers; empty when the field is missing.
std::vector<std::uint64_t> read_unsigned(const JsonValue& body, std::string_view name, std::uint64_t high);

// What every knnlm endpoint starts from: the collection that its path names, and its body, an object.
struct DatastoreRequest {
  // Throws HttpError: no such collection, no JSON object.
  DatastoreRequest(Context& context, DatastoreCatalog& catalog, const Call& call);
  DatastoreRequest(const DatastoreRequest&) = delete;
  DatastoreRequest& operator=(const DatastoreRequest&) = delete;

  storage::Datastore datastore() const { return catalog.open(target.collection); }
  index::Metric metric() const { return target.collection->options().metric; }

  OpenCollection target;
  JsonDocument document;
  JsonValue body;
  const RequestLimits& limits;
  DatastoreCatalog& catalog;
};

// The rest of the knnlm endpoints, those about rows.
void add_knnlm_row_routes(Router& router, Context& context, const std::shared_ptr<DatastoreCatalog>& datastores);

}  // namespace nestor::server
