#pragma once
// A process that serves until it is told to end.

#include <functional>

#include "server/http_server.h"

namespace nestor::server {

// Starts the server, calls on_started, and returns after SIGINT or SIGTERM and a graceful stop. A second
// signal cuts what is still running. Throws what start() throws.
void run_until_signal(HttpServer& server, const std::function<void()>& on_started = {});

}  // namespace nestor::server
