#pragma once
// A process that serves until it is told to end.

#include <functional>

#include "server/http_server.h"

namespace nestor::server {

struct SignalHooks {
  std::function<void()> on_started = {};
  std::function<void()> on_hangup = {};  // at each SIGHUP, on a thread of its own; must not throw
  std::function<void()> on_stop = {};    // at the first signal to stop, while requests are still answered; likewise
};

// Starts the server, calls on_started, and returns after SIGINT or SIGTERM and a graceful stop. A second
// signal cuts what is still running. Throws what start() throws.
void run_until_signal(HttpServer& server, const SignalHooks& hooks = {});

}  // namespace nestor::server
