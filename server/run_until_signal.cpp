#include "server/run_until_signal.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <thread>

namespace nestor::server {

void run_until_signal(HttpServer& server, const std::function<void()>& on_started) {
  namespace asio = boost::asio;
  asio::io_context context(1);
  // Before the server starts, so that no signal is lost between the two.
  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    server.request_stop();
    signals.async_wait([&](const boost::system::error_code& again, int) {
      if (!again) server.abort();
    });
  });
  server.start();
  std::thread listener([&context] { context.run(); });
  try {
    if (on_started) on_started();
  } catch (...) {
    server.stop();
    context.stop();
    listener.join();
    throw;
  }
  server.wait();
  context.stop();
  listener.join();
}

}  // namespace nestor::server
