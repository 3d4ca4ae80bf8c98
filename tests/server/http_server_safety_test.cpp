// What a server does for itself when strangers reach it: keys before bodies, floods, deadlines, TLS.
#include <openssl/ssl.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>

#include "server/http_server.h"
#include "tests/server/support/server_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string error_of(const RawReply& reply) { return json::parse(reply.body).at("status").at("error"); }

std::string failure(const ServerConfig& config) {
  try {
    check_config(config);
  } catch (const index::Error& error) {
    CHECK(error.code() == index::ErrorCode::invalid_argument);
    return error.what();
  }
  return "";
}

// A key and its self-signed certificate, made by the openssl command.
struct Certificate {
  Certificate() : key(directory.path() / "key.pem"), certificate(directory.path() / "cert.pem") {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -keyout " +
        key + " -out " + certificate + " 2>/dev/null";
    made = std::system(command.c_str()) == 0;
  }
  tests::TemporaryDirectory directory;
  std::string key, certificate;
  bool made = false;
};

// One request over TLS; the answer as it came.
std::string ask_over_tls(std::uint16_t port, const std::string& request) {
  RawClient client(port);
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context(::SSL_CTX_new(TLS_client_method()),
                                                                    &::SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&::SSL_free)> tls(::SSL_new(context.get()), &::SSL_free);
  ::SSL_set_fd(tls.get(), client.descriptor());
  if (::SSL_connect(tls.get()) != 1) return "no handshake";
  ::SSL_write(tls.get(), request.data(), static_cast<int>(request.size()));
  std::string answer;
  char chunk[4096];
  for (int got; (got = ::SSL_read(tls.get(), chunk, sizeof chunk)) > 0;)
    answer.append(chunk, static_cast<std::size_t>(got));
  return answer;
}

// What the server shows to a new connection, as DER; empty: no handshake.
std::string certificate_of(std::uint16_t port) {
  RawClient client(port);
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context(::SSL_CTX_new(TLS_client_method()),
                                                                    &::SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&::SSL_free)> tls(::SSL_new(context.get()), &::SSL_free);
  ::SSL_set_fd(tls.get(), client.descriptor());
  if (::SSL_connect(tls.get()) != 1) return {};
  const std::unique_ptr<X509, decltype(&::X509_free)> shown(::SSL_get1_peer_certificate(tls.get()), &::X509_free);
  unsigned char* bytes = nullptr;
  const int length = ::i2d_X509(shown.get(), &bytes);
  const std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
  ::OPENSSL_free(bytes);
  return der;
}

}  // namespace

TEST_CASE("an address beyond this machine needs a key, or a word that says it is meant") {
  ServerConfig config;
  for (const char* host : {"127.0.0.1", "localhost", "::1", "127.1.2.3"}) {
    config.host = host;
    CHECK(failure(config) == "");
  }
  for (const char* host : {"0.0.0.0", "::", "192.0.2.1"}) {
    CAPTURE(host);
    config = {};
    config.host = host;
    CHECK(failure(config).find("there is no API key") != std::string::npos);
    config.access.read_only_api_key = "reader";
    CHECK(failure(config) == "");
    config.access = {};
    config.allow_exposed = true;
    CHECK(failure(config) == "");
  }
  config = {};
  config.access = {"same", "same", {}};
  CHECK(failure(config) == "api_key and read_only_api_key are the same");
  config = {};
  config.connection.header_timeout = 2h;
  CHECK(failure(config).find("limits.header_timeout") != std::string::npos);
}

TEST_CASE("a stranger is refused before the body is read, and the connection is not used again") {
  ServerFixture fixture;
  fixture.config.access.api_key = "secret";
  const auto port = fixture.start();
  RawClient stranger(port);
  stranger.send("PUT /collections/c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 30000000\r\n\r\n");
  const auto refused = stranger.reply();
  REQUIRE(refused);
  CHECK(refused->head.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  CHECK(refused->has("Connection: close\r\n"));
  CHECK(stranger.closed());
  RawClient small(port);
  small.request("PUT", "/collections/c", "{}");
  CHECK(small.reply()->status == 401);
  small.request("GET", "/collections", "", "api-key: secret\r\n");
  CHECK(small.reply()->status == 200);
}

TEST_CASE("an answer names its request, with the client's own name where it has one") {
  ServerFixture fixture;
  RawClient client(fixture.start());
  client.request("GET", "/healthz", "", "X-Request-Id: trace-1.a\r\n");
  CHECK(client.reply()->has("X-Request-Id: trace-1.a\r\n"));
  client.request("GET", "/healthz", "", "X-Request-Id: bad id\r\n");
  const auto made = client.reply();
  CHECK(made->has("X-Request-Id: "));
  CHECK_FALSE(made->has("bad id"));
}

TEST_CASE("every answer gives one line to the access log, hostile text escaped") {
  std::mutex mutex;
  std::vector<std::string> texts, objects;
  ServerFixture fixture;
  fixture.config.access_log = [&](const AccessEntry& entry) {
    const std::lock_guard lock(mutex);
    texts.push_back(access_line(entry, LogFormat::text));
    objects.push_back("{" + access_line(entry, LogFormat::json) + "}");
  };
  {
    RawClient client(fixture.start());
    client.request("POST", "/collections/c%0a/points/scroll?a=\"b\"", "{}", "User-Agent: x\"y\r\nX-Request-Id: 7\r\n");
    CHECK(client.reply()->status == 404);
    client.send("nonsense\r\n\r\n");
    CHECK(client.reply()->status == 400);
  }
  fixture.server->stop();
  REQUIRE(texts.size() == 2);
  CHECK(texts[0].starts_with(R"(127.0.0.1 "POST /collections/c%0a/points/scroll?a=\"b\"" 404 in=2 out=)"));
  CHECK(texts[0].ends_with(R"( id=7 agent="x\"y")"));
  const json object = json::parse(objects[0]);
  CHECK(object["route"] == "/collections/{name}/points/scroll");
  CHECK(object["user_agent"] == "x\"y");
  CHECK(object["request_id"] == "7");
  CHECK(json::parse(objects[1])["status"] == 400);
}

TEST_CASE("a flood of silent connections leaves health checks and newcomers their place") {
  ConnectionLimits limits;
  limits.connections = 20;
  ServerFixture fixture(limits);
  const auto port = fixture.start();
  std::vector<std::unique_ptr<RawClient>> flood;
  for (int i = 0; i < 150; ++i) flood.push_back(std::make_unique<RawClient>(port));
  RawClient health(port);
  health.request("GET", "/healthz");
  const auto checked = health.reply();
  REQUIRE(checked);
  CHECK(checked->status == 200);
  RawClient user(port);
  user.request("GET", "/collections");
  CHECK(user.reply()->status == 200);
  CHECK(flood.front()->closed());
}

TEST_CASE("a flood of half requests leaves health checks their place") {
  ConnectionLimits limits;
  limits.connections = 20;
  ServerFixture fixture(limits);
  const auto port = fixture.start();
  std::vector<std::unique_ptr<RawClient>> flood;
  for (int i = 0; i < 150; ++i) {
    flood.push_back(std::make_unique<RawClient>(port));
    flood.back()->send("GET /healthz HTTP/1.1\r\nHos");
  }
  for (int i = 0; i < 10; ++i) {
    RawClient health(port);
    health.request("GET", "/healthz");
    const auto checked = health.reply();
    REQUIRE(checked);
    CHECK(checked->status == 200);
  }
}

TEST_CASE("a request that is not answered in time is 408, and the server goes on") {
  ConnectionLimits limits;
  limits.request_timeout = 10ms;
  ServerFixture fixture(limits);
  fixture.config.read_workers = 1;
  const auto port = fixture.start();
  // The one worker is held by a search that is long enough: many queries over many rows.
  index::CollectionOptions options;
  options.dim = 256;
  options.metric = index::Metric::l2;
  const auto collection = fixture.database->create_collection("c", options);
  std::vector<float> row(256, 1.0f);
  std::vector<index::Point> points(4000, index::Point{{}, row, {}, {}});
  for (std::size_t i = 0; i < points.size(); ++i) points[i].id = index::PointId::number(i);
  collection->upsert(points);
  std::string search = R"({"query":[)";
  for (int i = 0; i < 256; ++i) search += i ? ",2" : "2";
  search += R"(],"limit":10})";
  std::string batch = R"({"searches":[)";
  for (int i = 0; i < 4000; ++i) batch += (i ? "," : "") + search;
  batch += "]}";
  RawClient slow(port);
  slow.request("POST", "/collections/c/points/query/batch", batch);
  const auto late = slow.reply();
  REQUIRE(late);
  CHECK(late->head.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  CHECK(error_of(*late).starts_with("Timeout: "));
  CHECK(slow.closed());
  RawClient next(port);
  next.request("GET", "/healthz");
  CHECK(next.reply()->status == 200);
}

TEST_CASE("TLS answers those who speak it and tells the others where they are") {
  const Certificate files;
  REQUIRE(files.made);
  ServerFixture fixture;
  fixture.config.tls = {files.certificate, files.key};
  const auto port = fixture.start();
  CHECK(fixture.server->url() == "https://127.0.0.1:" + std::to_string(port));
  const std::string answer = ask_over_tls(
      port, "POST /collections/c/points/count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
  CHECK(answer.starts_with("HTTP/1.1 404 Not Found\r\n"));
  CHECK(answer.find("doesn't exist") != std::string::npos);
  const std::string large =
      "PUT /collections/c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n" +
      std::string(200'000, ' ');
  CHECK(ask_over_tls(port, large).starts_with("HTTP/1.1 400 Bad Request\r\n"));
  for (const char* method : {"GET", "PUT", "DELETE", "PATCH"}) {
    INFO(method);
    RawClient plain(port);
    plain.request(method, "/collections/c");
    const auto told = plain.reply();
    REQUIRE(told);
    CHECK(told->status == 400);
    CHECK(told->body.find("this port speaks HTTPS") != std::string::npos);
    CHECK(told->has("Connection: close\r\n"));
  }
}

TEST_CASE("certificates are read again while the server runs, and bad ones leave those of before") {
  const Certificate files, others;
  REQUIRE(files.made);
  ServerFixture fixture;
  fixture.config.tls = {files.certificate, files.key};
  const auto port = fixture.start();
  const std::string before = certificate_of(port);
  CHECK(certificate_of(port) == before);
  const auto replace = [](const std::string& by, const std::string& file) {
    std::filesystem::copy_file(by, file, std::filesystem::copy_options::overwrite_existing);
  };
  replace(others.certificate, files.certificate);
  CHECK_THROWS_AS(fixture.server->read_certificates(), index::Error);  // its key is another
  CHECK(certificate_of(port) == before);
  replace(others.key, files.key);
  fixture.server->read_certificates();
  CHECK(certificate_of(port).size() > 100);
  CHECK(certificate_of(port) != before);
}

TEST_CASE("TLS files that cannot be used are told before anything starts") {
  const Certificate files, others;
  REQUIRE(files.made);
  ServerConfig config;
  config.tls = {files.certificate, ""};
  CHECK(failure(config).find("the key is missing") != std::string::npos);
  config.tls = {"/nowhere/cert.pem", files.key};
  CHECK(failure(config).find("\"/nowhere/cert.pem\"") != std::string::npos);
  config.tls = {files.certificate, files.certificate};
  CHECK(failure(config).find("key file") != std::string::npos);
  config.tls = {files.certificate, others.key};
  CHECK(failure(config).find("TLS: ") == 0);
  config.tls = {files.certificate, files.key};
  CHECK(failure(config) == "");
  const std::string locked = files.key + ".locked";
  REQUIRE(std::system(("openssl pkey -aes256 -passout pass:secret -in " + files.key + " -out " + locked).c_str()) == 0);
  config.tls = {files.certificate, locked};
  CHECK(failure(config).find("is encrypted") != std::string::npos);
}

}  // namespace nestor::server::testing
