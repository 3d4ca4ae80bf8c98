#pragma once
// A server on a free port over an empty database.

#include <memory>

#include "server/http_server.h"
#include "storage/database.h"
#include "tests/server/support/raw_client.h"
#include "tests/server/support/temporary_directory.h"

namespace nestor::server::testing {

struct ServerFixture {
  explicit ServerFixture(ConnectionLimits limits = {}, unsigned io_threads = 1) {
    storage::DatabaseOptions options;
    options.background_builds = false;
    database = storage::Database::open(directory.path(), options);
    ServerConfig config;
    config.port = 0;
    config.io_threads = io_threads;
    config.connection = limits;
    server = std::make_unique<HttpServer>(*database, config);
  }
  std::uint16_t start() {
    server->start();
    return server->port();
  }

  TemporaryDirectory directory;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<HttpServer> server;
};

}  // namespace nestor::server::testing
