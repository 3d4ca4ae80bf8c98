#pragma once
// A server on a free port over an empty database.

#include <memory>

#include "server/http_server.h"
#include "storage/database.h"
#include "tests/server/support/raw_client.h"
#include "tests/support/temporary_directory.h"

namespace nestor::server::testing {

struct ServerFixture {
  explicit ServerFixture(ConnectionLimits limits = {}, unsigned io_threads = 1) {
    storage::DatabaseOptions options;
    options.background_builds = false;
    database = storage::Database::open(directory.path(), options);
    config.port = 0;
    config.io_threads = io_threads;
    config.connection = limits;
  }
  std::uint16_t start() {
    make().start();
    return server->port();
  }

  // With the configuration as it is now; start() does it where it has not been done.
  HttpServer& make() {
    if (!server) server = std::make_unique<HttpServer>(*database, config);
    return *server;
  }

  ServerConfig config;
  tests::TemporaryDirectory directory;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<HttpServer> server;
};

}  // namespace nestor::server::testing
