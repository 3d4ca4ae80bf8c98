#pragma once
// The HTTP server: sockets, threads, limits and a graceful stop around the Api.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/access_log.h"
#include "server/gatekeeper.h"
#include "server/limits.h"
#include "server/tls_files.h"
#include "storage/database.h"

namespace nestor::server {

struct ServerConfig {
  std::string host = "127.0.0.1";  // a name or an address, IPv4 or IPv6
  std::uint16_t port = 6333;       // 0: any free one, see HttpServer::port()
  unsigned io_threads = 0;         // read and write sockets, answer health checks and short queries; 0: one per core
  unsigned read_workers = 0;       // run queries and reads; 0: one per core
  unsigned write_workers = 2;      // run writes; a collection has one writer at a time
  std::string data_directory;      // the database's, for metrics; empty: the disk is not measured
  // Further folders that snapshots may be recovered from, beside the database's own.
  std::vector<std::string> recovery_folders;
  AccessPolicy access;
  bool allow_exposed = false;  // listen beyond this machine without any key
  TlsFiles tls;
  AccessSink access_log;  // empty: none
  ConnectionLimits connection;
  RequestLimits request;
};

// What can be said about a configuration before anything is opened. Throws Error invalid_argument: an address beyond
// this machine without a key, a key file without its certificate, limits that contradict each other.
void check_config(const ServerConfig& config);

// Thread-safe, except that start() is called once and before anything else.
class HttpServer {
 public:
  using Log = std::function<void(const std::string&)>;

  // The database must outlive the server.
  HttpServer(storage::Database& database, ServerConfig config, Log log = {});
  ~HttpServer();  // stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens and returns. Throws what check_config() throws, and Error: failed_precondition (the port is taken),
  // permission_denied, invalid_argument (no such host, TLS files that do not fit).
  void start();
  std::uint16_t port() const;   // the one really listened on
  std::string address() const;  // "127.0.0.1:6333", "[::1]:6333"
  std::string url() const;      // "http://127.0.0.1:6333"

  // Reads the TLS files again, for connections to come; nothing happens without TLS. REQUIRES start(). Throws Error: the
  // files do not fit, those of before stay in use.
  void read_certificates();

  // Stops accepting, cancels calibrations and tunings, lets requests in flight finish (at most drain_timeout), closes. Returns at once.
  void request_stop();
  // After request_stop(): cuts every connection now.
  void abort();
  // Blocks until the server has stopped; nothing of it touches the database afterwards.
  void wait();
  void stop() {
    request_stop();
    wait();
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::server
