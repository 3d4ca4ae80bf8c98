#include "server/run_until_signal.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <thread>

namespace nestor::server {

namespace {

void call(const std::function<void()>& hook) {
  if (hook) hook();
}

}  // namespace

void run_until_signal(HttpServer& server, const SignalHooks& hooks) {
  namespace asio = boost::asio;
  asio::io_context context(1);
  // Before the server starts, so that no signal is lost between the two.
  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    server.request_stop();
    call(hooks.on_stop);
    signals.async_wait([&](const boost::system::error_code& again, int) {
      if (!again) server.abort();
    });
  });
  asio::signal_set hangups(context, SIGHUP);
  std::function<void()> await_hangup = [&] {
    hangups.async_wait([&](const boost::system::error_code& error, int) {
      if (error) return;
      call(hooks.on_hangup);
      await_hangup();
    });
  };
  await_hangup();
  server.start();
  std::thread listener([&context] { context.run(); });
  try {
    call(hooks.on_started);
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
