#include "server/http_server.h"

#include <atomic>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "server/run_until_signal.h"
#include "tests/server/support/server_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::string kCreate = R"({"vectors":{"size":2,"distance":"Euclid"}})";

std::string error_of(const RawReply& reply) { return json::parse(reply.body).at("status").at("error"); }

}  // namespace

TEST_CASE("a request that does not arrive in time is 408, an idle connection is closed silently") {
  ConnectionLimits limits;
  limits.receive_timeout = 50ms;
  limits.header_timeout = 50ms;
  limits.idle_timeout = 50ms;
  ServerFixture fixture(limits);
  const auto port = fixture.start();
  for (const char* part : {"GET /hea", "PUT /collections/c HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"}) {
    RawClient slow(port);
    slow.send(part);
    const auto reply = slow.reply();
    REQUIRE(reply);
    CHECK(reply->head.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    CHECK(slow.closed());
  }
  RawClient idle(port);
  CHECK(idle.closed());
}

TEST_CASE("beyond the connection limit health checks are answered and everything else is 503") {
  ConnectionLimits limits;
  limits.connections = 1;
  ServerFixture fixture(limits);
  const auto port = fixture.start();
  RawClient first(port);
  first.request("GET", "/collections");
  CHECK(first.reply()->status == 200);

  RawClient health(port);
  health.request("GET", "/healthz");
  const auto checked = health.reply();
  CHECK(checked->status == 200);
  CHECK(checked->has("Connection: close\r\n"));
  CHECK(health.closed());

  RawClient second(port);
  second.request("GET", "/collections");
  const auto refused = second.reply();
  CHECK(refused->status == 503);
  CHECK(refused->has("Retry-After: 1\r\n"));
  CHECK(error_of(*refused) == "Service unavailable: too many connections");
  CHECK(second.closed());
  first.request("GET", "/collections");
  CHECK(first.reply()->status == 200);
}

TEST_CASE("when no worker is free and the queue is full the answer is 503, but not for health checks") {
  ConnectionLimits limits;
  limits.queued_requests = 0;
  ServerFixture fixture(limits);
  RawClient client(fixture.start());
  client.request("GET", "/collections");
  const auto refused = client.reply();
  CHECK(refused->status == 503);
  CHECK(refused->has("Retry-After: 1\r\n"));
  client.request("GET", "/readyz");
  CHECK(client.reply()->status == 200);
}

TEST_CASE("stopping lets a request in flight finish and refuses new connections") {
  ServerFixture fixture;
  const auto port = fixture.start();
  RawClient idle(port), busy(port);
  idle.request("GET", "/healthz");
  CHECK(idle.reply());
  busy.request("GET", "/healthz");
  CHECK(busy.reply());
  // The permission to go on tells that the server has begun with this request.
  busy.send("PUT /collections/c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " +
            std::to_string(kCreate.size()) + "\r\n\r\n");
  CHECK(busy.reply()->status == 100);
  fixture.server->request_stop();
  CHECK(idle.closed());
  CHECK_THROWS(RawClient(port));
  busy.send(kCreate);
  const auto created = busy.reply();
  REQUIRE(created);
  CHECK(created->status == 200);
  CHECK(created->has("Connection: close\r\n"));
  CHECK(busy.closed());
  fixture.server->wait();
  CHECK(fixture.database->contains("c"));
}

TEST_CASE("stopping cuts what does not finish in time, and abort does so at once") {
  ConnectionLimits limits;
  limits.drain_timeout = 50ms;
  ServerFixture patient(limits), aborted;
  for (ServerFixture* fixture : {&patient, &aborted}) {
    RawClient stuck(fixture->start());
    stuck.send("PUT /collections/c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
    CHECK(stuck.reply()->status == 100);
    fixture->server->request_stop();
    if (fixture == &aborted) fixture->server->abort();
    fixture->server->wait();
    CHECK(stuck.closed());
  }
}

TEST_CASE("a server that never started or stops twice is no trouble") {
  ServerFixture fixture;
  fixture.make().stop();
  ServerFixture started;
  started.start();
  started.server->stop();
  started.server->stop();
}

TEST_CASE("a taken port, an unknown host and a foreign address are told apart") {
  ServerFixture fixture;
  const auto port = fixture.start();
  const auto failure = [&](const std::string& host, std::uint16_t wanted) {
    ServerConfig config;
    config.host = host;
    config.port = wanted;
    HttpServer server(*fixture.database, config);
    try {
      server.start();
    } catch (const index::Error& error) {
      return std::pair(error.code(), std::string(error.what()));
    }
    return std::pair(index::ErrorCode::internal, std::string("it started"));
  };
  const auto taken = failure("127.0.0.1", port);
  CHECK(taken.first == index::ErrorCode::failed_precondition);
  CHECK(taken.second.starts_with("cannot listen on 127.0.0.1:" + std::to_string(port) + ": address already in use"));
  CHECK(taken.second.find("--port") != std::string::npos);
  CHECK(failure("no.such.host.invalid", 0).first == index::ErrorCode::invalid_argument);
  CHECK(failure("192.0.2.1", 0).first == index::ErrorCode::invalid_argument);
}

TEST_CASE("many connections on two loops read and write at once") {
  ServerFixture fixture({}, 2);
  const auto port = fixture.start();
  RawClient setup(port);
  setup.request("PUT", "/collections/c", kCreate);
  REQUIRE(setup.reply()->status == 200);
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      RawClient client(port);
      for (int i = 0; i < 20; ++i) {
        const std::string id = std::to_string(t * 100 + i);
        client.request("PUT", "/collections/c/points", R"({"points":[{"id":)" + id + R"(,"vector":[)" + id + ",1]}]}");
        const auto written = client.reply();
        client.request("POST", "/collections/c/points/query", R"({"limit":1,"query":[)" + id + ",1]}");
        const auto found = client.reply();
        if (written && written->status == 200 && found && found->body.find("\"id\":" + id + ",") != std::string::npos)
          ++answered;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(answered == 120);
}

TEST_CASE("a server run until a signal stops gracefully on SIGTERM and SIGINT") {
  for (const int signal : {SIGTERM, SIGINT}) {
    ServerFixture fixture;
    std::uint16_t port = 0;
    SignalHooks hooks;
    hooks.on_started = [&] {
      port = fixture.server->port();
      RawClient client(port);
      client.request("GET", "/readyz");
      CHECK(client.reply()->status == 200);
      ::kill(::getpid(), signal);
    };
    run_until_signal(fixture.make(), hooks);
    CHECK(port != 0);
    CHECK_THROWS(RawClient(port));
  }
}

TEST_CASE("a hangup is told, as often as it comes, and stops nothing") {
  ServerFixture fixture;
  std::atomic<int> hangups{0};
  std::atomic<bool> stopping{false};
  SignalHooks hooks;
  hooks.on_started = [&] { ::kill(::getpid(), SIGHUP); };
  hooks.on_hangup = [&] {
    RawClient client(fixture.server->port());
    client.request("GET", "/readyz");
    CHECK(client.reply()->status == 200);
    ::kill(::getpid(), ++hangups < 3 ? SIGHUP : SIGTERM);
  };
  hooks.on_stop = [&] { stopping = true; };
  run_until_signal(fixture.make(), hooks);
  CHECK(hangups == 3);
  CHECK(stopping);
}

}  // namespace nestor::server::testing
