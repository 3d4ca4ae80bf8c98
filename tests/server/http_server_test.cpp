#include "server/http_server.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/server/support/server_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

using nlohmann::json;

const std::string kCreate = R"({"vectors":{"size":2,"distance":"Euclid"}})";

std::string error_of(const RawReply& reply) { return json::parse(reply.body).at("status").at("error"); }

}  // namespace

TEST_CASE("one connection carries many requests") {
  ServerFixture fixture;
  RawClient client(fixture.start());
  client.request("GET", "/healthz");
  const auto health = client.reply();
  REQUIRE(health);
  CHECK(health->head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(health->has("Content-Type: text/plain"));
  CHECK(health->has("Date: "));
  CHECK(health->has(" GMT\r\n"));
  CHECK(health->body == "healthz check passed");

  client.request("PUT", "/collections/c", kCreate);
  CHECK(client.reply()->status == 200);
  client.request("PUT", "/collections/c/points?wait=true", R"({"points":[{"id":1,"vector":[1,2]}]})");
  CHECK(json::parse(client.reply()->body)["result"]["status"] == "completed");
  client.request("POST", "/collections/c/points/query", R"({"query":[1,2]})");
  const auto found = client.reply();
  CHECK(found->has("Content-Type: application/json"));
  CHECK(json::parse(found->body)["result"]["points"][0]["id"] == 1);
  client.request("GET", "/collections/nope");
  const auto missing = client.reply();
  CHECK(missing->head.starts_with("HTTP/1.1 404 Not Found\r\n"));
  CHECK(error_of(*missing) == "Not found: Collection `nope` doesn't exist!");
}

TEST_CASE("requests sent without waiting are answered in order") {
  ServerFixture fixture;
  RawClient client(fixture.start());
  client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /collections HTTP/1.1\r\nHost: a\r\n\r\n"
              "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(client.reply()->body == "healthz check passed");
  CHECK(json::parse(client.reply()->body)["result"]["collections"].empty());
  CHECK(json::parse(client.reply()->body).contains("version"));
}

TEST_CASE("a request may arrive byte by byte and its body in chunks") {
  ServerFixture fixture;
  RawClient client(fixture.start());
  for (const char c : std::string("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")) client.send(std::string(1, c));
  CHECK(client.reply()->status == 200);
  client.send("PUT /collections/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("5\r\n{\"vec\r\n");
  client.send("25;x=y\r\ntors\":{\"size\":2,\"distance\":\"Euclid\"}}\r\n0\r\n\r\n");
  const auto created = client.reply();
  INFO(created->body);
  CHECK(created->status == 200);
}

TEST_CASE("an uploaded snapshot goes to disk: it may be larger than a body, up to a limit of its own") {
  ConnectionLimits limits;
  limits.body_bytes = 4096;
  limits.upload_bytes = 16 << 20;
  ServerFixture fixture(limits);
  index::CollectionOptions options;
  options.dim = 64;
  options.metric = index::Metric::l2;
  std::vector<float> row(64);
  std::vector<index::Point> points(20'000);
  for (std::size_t i = 0; i < points.size(); ++i) points[i] = {index::PointId::number(i), row, "", {}};
  fixture.database->create_collection("c", options)->upsert(points);
  const auto made = fixture.database->create_snapshot("c");
  std::ifstream file(fixture.database->snapshot_file("c", made.name), std::ios::binary);
  const std::string snapshot{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(snapshot.size() > std::size_t{4} << 20);  // several blocks
  const std::string form = "--edge\r\nContent-Disposition: form-data; name=\"snapshot\"\r\n\r\n" + snapshot +
                           "\r\n--edge--\r\n";
  const std::string type = "Content-Type: multipart/form-data; boundary=edge\r\n";
  const auto port = fixture.start();
  RawClient client(port);
  client.request("POST", "/collections/d/snapshots/upload?checksum=" + made.sha256, form, type);
  const auto uploaded = client.reply();
  REQUIRE(uploaded);
  INFO(uploaded->body);
  CHECK(uploaded->status == 200);
  CHECK(fixture.database->collection("d")->count() == points.size());
  client.request("POST", "/collections/e/snapshots/upload", "--edge\r\n\r\n\r\ngarbage\r\n--edge--", type);
  CHECK(client.reply()->status == 400);
  CHECK(std::filesystem::is_empty(fixture.database->scratch_directory()));

  RawClient in_chunks(port);
  in_chunks.send("POST /collections/f/snapshots/upload HTTP/1.1\r\nHost: a\r\n" + type +
                 "Transfer-Encoding: chunked\r\n\r\n");
  for (std::size_t at = 0; at < form.size(); at += 60'000) {
    const std::string part = form.substr(at, 60'000);
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    in_chunks.send(size + part + "\r\n");
  }
  in_chunks.send("0\r\n\r\n");
  CHECK(in_chunks.reply()->status == 200);
  RawClient endless(port);
  endless.send("POST /collections/g/snapshots/upload HTTP/1.1\r\nHost: a\r\n" + type +
               "Content-Length: 20000000\r\n\r\n");
  CHECK(endless.reply()->status == 413);
  RawClient other(port);
  other.request("POST", "/collections/d/points/query", std::string(5000, ' '));
  CHECK(other.reply()->status == 413);
}

TEST_CASE("HEAD answers without a body") {
  ServerFixture fixture;
  RawClient client(fixture.start());
  client.request("HEAD", "/healthz");
  CHECK(client.reply(false)->has("Content-Length: 20\r\n"));
  client.request("GET", "/healthz");
  CHECK(client.reply()->body == "healthz check passed");
}

TEST_CASE("the connection is closed when the client asks for it, after the answer") {
  ServerFixture fixture;
  const auto port = fixture.start();
  RawClient client(port);
  client.request("GET", "/healthz", "", "Connection: close\r\n");
  CHECK(client.reply()->has("Connection: close\r\n"));
  CHECK(client.closed());
  RawClient old(port);
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  CHECK(old.reply()->status == 200);
  CHECK(old.closed());
  RawClient half(port);
  half.request("GET", "/collections");
  half.finish_sending();
  CHECK(half.reply()->status == 200);
  CHECK(half.closed());
}

TEST_CASE("a body beyond the limit is 413, announced or chunked, and nothing is read of it") {
  ConnectionLimits limits;
  limits.body_bytes = 100;
  ServerFixture fixture(limits);
  const auto port = fixture.start();
  RawClient announced(port);
  announced.send("PUT /collections/c HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n");
  const auto reply = announced.reply();
  REQUIRE(reply);
  CHECK(reply->head.starts_with("HTTP/1.1 413 Payload Too Large\r\n"));
  CHECK(error_of(*reply) == "Bad request: the body is larger than 100 bytes");
  CHECK(announced.closed());

  RawClient chunked(port);
  chunked.send("PUT /collections/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" +
               std::string(101, ' ') + "\r\n0\r\n\r\n");
  CHECK(chunked.reply()->status == 413);

  RawClient exact(port);
  exact.request("PUT", "/collections/c", kCreate + std::string(100 - kCreate.size(), ' '));
  CHECK(exact.reply()->status == 200);
}

TEST_CASE("a large body that is sent anyway does not swallow the 413") {
  ConnectionLimits limits;
  limits.body_bytes = 1000;
  ServerFixture fixture(limits);
  RawClient client(fixture.start());
  client.request("PUT", "/collections/c", std::string(300'000, 'x'));
  client.finish_sending();
  const auto reply = client.reply();
  REQUIRE(reply);
  CHECK(reply->status == 413);
}

TEST_CASE("headers beyond the limit are 431") {
  ServerFixture fixture;
  const auto port = fixture.start();
  RawClient long_field(port);
  long_field.request("GET", "/healthz", "", "X-Long: " + std::string(17 << 10, 'x') + "\r\n");
  CHECK(long_field.reply()->head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
  RawClient long_target(port);
  long_target.request("GET", "/" + std::string(17 << 10, 'x'));
  CHECK(long_target.reply()->status == 431);
}

TEST_CASE("what is no HTTP is 400 and ends the connection") {
  ServerFixture fixture;
  const auto port = fixture.start();
  const std::string head = "POST /collections/c/points HTTP/1.1\r\nHost: a\r\n";
  const std::vector<std::string> requests = {
      "GARBAGE\r\n\r\n",
      "GET /healthz HTTP/2.0\r\n\r\n",
      "GET  /healthz HTTP/1.1\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nNo colon\r\n\r\n",
      head + "Content-Length: -1\r\n\r\n",
      head + "Content-Length: 1x\r\n\r\n",
      head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
      head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
      head + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
      head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
      head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01", 8) + "\r\n\r\n",  // a TLS hello
  };
  for (const std::string& request : requests) {
    CAPTURE(request);
    RawClient client(port);
    client.send(request);
    const auto reply = client.reply();
    REQUIRE(reply);
    CHECK(reply->status == 400);
    CHECK(error_of(*reply).starts_with("Bad request: malformed HTTP request: "));
    CHECK(reply->has("Connection: close\r\n"));
    CHECK(client.closed());
  }
  RawClient alive(port);
  alive.request("GET", "/healthz");
  CHECK(alive.reply()->status == 200);
}

TEST_CASE("a client that waits for permission to send its body gets it, or the refusal") {
  ConnectionLimits limits;
  limits.body_bytes = 100;
  ServerFixture fixture(limits);
  const auto port = fixture.start();
  RawClient client(port);
  const auto ask = [](RawClient& asking, std::size_t length) {
    asking.send("PUT /collections/c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " +
                std::to_string(length) + "\r\n\r\n");
  };
  ask(client, kCreate.size());
  CHECK(client.reply()->status == 100);
  client.send(kCreate);
  CHECK(client.reply()->status == 200);
  RawClient refused(port);
  ask(refused, 101);
  CHECK(refused.reply()->status == 413);
  RawClient hasty(port);  // the body in the same packet: the line comes all the same
  hasty.send("PUT /collections/d HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " +
             std::to_string(kCreate.size()) + "\r\n\r\n" + std::string(kCreate));
  CHECK(hasty.reply()->status == 100);
  CHECK(hasty.reply()->status == 200);
}

}  // namespace nestor::server::testing
