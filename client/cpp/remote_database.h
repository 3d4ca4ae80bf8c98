#pragma once
// The embedded library's operations over HTTP, under the same names and with the same types: a program switches by
// changing how it opens.
//
//   auto database = nestor::storage::Database::open("data");                                 // embedded
//   auto database = nestor::client::RemoteDatabase::open({.url = "http://127.0.0.1:6333"});  // a server

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/remote_collection.h"
#include "index/error.h"
#include "index/options.h"

namespace nestor::client {

// How vectors are sent: base64 of float32 is a quarter of the bytes of a list, and cheaper to read by far.
enum class VectorEncoding { base64, list };

struct RemoteOptions {
  std::string url = "http://127.0.0.1:6333";  // http:// or https://, host, optional port (6333) and path prefix
  std::string api_key = {};                   // sent as `api-key` when set
  std::string ca_file = {};                   // https: authorities in PEM; empty: those of the system
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds timeout{60'000};  // of one request, from sending to the last byte of its answer
  unsigned retries = 2;                       // more attempts of a call that may be repeated, see below
  std::size_t idle_connections = 16;          // kept open for later calls
  VectorEncoding vectors = VectorEncoding::base64;
};

// Thread-safe; calls run side by side, each on a connection of its own, and connections are used again. A call that the
// server answers with 429 or 503, or whose connection breaks, is repeated after a pause, if doing it twice is the same
// as doing it once: all but create_collection and delete_collection. Errors are Error with the code that the embedded
// library would give; unavailable also where the server cannot be reached or does not answer in time (a write may then
// have been carried out), permission_denied for a wrong key.
class RemoteDatabase {
 public:
  // Connects to nothing yet. Throws Error invalid_argument: no such URL, unreadable ca_file.
  static std::unique_ptr<RemoteDatabase> open(RemoteOptions options = {});
  ~RemoteDatabase();
  RemoteDatabase(const RemoteDatabase&) = delete;
  RemoteDatabase& operator=(const RemoteDatabase&) = delete;

  std::vector<std::string> collection_names() const;  // ascending
  bool contains(const std::string& name) const;
  // `exact_below` and `graph.seed` are the server's own. Throws already_exists, invalid_argument.
  std::shared_ptr<RemoteCollection> create_collection(const std::string& name, const index::CollectionOptions& options);
  // Throws not_found.
  std::shared_ptr<RemoteCollection> collection(const std::string& name) const;
  // False: it did not exist.
  bool delete_collection(const std::string& name);

 private:
  RemoteDatabase();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::client
