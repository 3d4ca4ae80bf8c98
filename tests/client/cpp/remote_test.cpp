// The client against a real server, compared with the embedded collection behind it.
#include <atomic>
#include <cmath>
#include <thread>

#include "client/cpp/channel.h"
#include "client/cpp/remote_database.h"
#include "client/cpp/url.h"
#include "tests/server/support/server_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

namespace nestor::client {
namespace {

using namespace std::chrono_literals;
using index::ErrorCode;
using index::Point;
using index::PointId;
using server::testing::ServerFixture;

struct Remote {
  explicit Remote(RemoteOptions options = {}, server::AccessPolicy access = {}) {
    fixture.config.access = std::move(access);
    options.url = "http://127.0.0.1:" + std::to_string(fixture.start());
    database = RemoteDatabase::open(options);
  }
  ServerFixture fixture;
  std::unique_ptr<RemoteDatabase> database;
};

template <typename Call>
std::pair<ErrorCode, std::string> failure(const Call& call) {
  try {
    call();
  } catch (const index::Error& error) {
    return {error.code(), error.what()};
  }
  return {ErrorCode::internal, "nothing was thrown"};
}

index::SearchOptions nearest(std::uint32_t k) {
  index::SearchOptions options;
  options.k = k;
  return options;
}

index::CollectionOptions sized(std::uint32_t dim, index::Metric metric = index::Metric::l2) {
  index::CollectionOptions options;
  options.dim = dim;
  options.metric = metric;
  return options;
}

std::vector<float> random_rows(std::size_t count, std::size_t dim) { return tests::nested_vectors(count, dim, 3); }

std::vector<Point> points_of(const std::vector<float>& rows, std::size_t dim) {
  std::vector<Point> points;
  for (std::size_t i = 0; i * dim < rows.size(); ++i)
    points.push_back({PointId::number(i), std::span(rows).subspan(i * dim, dim), i % 2 ? R"({"name":"odd"})" : "",
                      static_cast<std::uint32_t>(i % 5)});
  return points;
}

void same_hits(const index::QueryResult& a, const index::QueryResult& b) {
  REQUIRE(a.hits.size() == b.hits.size());
  for (std::size_t i = 0; i < a.hits.size(); ++i) {
    CHECK(a.hits[i].id == b.hits[i].id);
    CHECK(a.hits[i].score == b.hits[i].score);
    CHECK(a.hits[i].version == b.hits[i].version);
    CHECK(a.hits[i].distance == Approx(b.hits[i].distance).margin(1e-5));
  }
}

}  // namespace

TEST_CASE("a remote collection answers as the embedded one behind it") {
  const auto metric = GENERATE(index::Metric::l2, index::Metric::dot, index::Metric::cosine);
  const auto encoding = GENERATE(VectorEncoding::base64, VectorEncoding::list);
  Remote remote({.vectors = encoding});
  constexpr std::size_t kDim = 24;
  index::CollectionOptions wanted_options = sized(kDim, metric);
  wanted_options.widths = {8, 24};
  const auto created = remote.database->create_collection("a b%c", wanted_options);
  const auto local = remote.fixture.database->collection("a b%c");
  CHECK(created->options() == local->options());
  const auto rows = random_rows(200, kDim);
  CHECK(created->upsert(points_of(rows, kDim)) == 1);
  CHECK(created->count() == 200);
  const auto queries = random_rows(3, kDim);
  const std::span<const float> first = std::span(queries).first(kDim);
  index::SearchOptions options = nearest(7);
  same_hits(created->search(first, options), local->search(first, options));
  options.width = 8;
  same_hits(created->search(first, options), local->search(first, options));
  options = nearest(3);
  options.exact = true;
  same_hits(created->search(first.first(8), options), local->search(first.first(8), options));
  options.explain = true;
  const auto batch = created->search_batch(queries, 3, options);
  const auto expected = local->search_batch(queries, 3, options);
  REQUIRE(batch.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    same_hits(batch[i], expected[i]);
    REQUIRE(batch[i].stages.size() == expected[i].stages.size());
    CHECK(batch[i].stages[0].name == expected[i].stages[0].name);
    CHECK(batch[i].stages[0].coordinates_read == expected[i].stages[0].coordinates_read);
  }
  options = nearest(5);
  options.distance_gap = 0.3f;
  same_hits(created->search(first, options), local->search(first, options));
  options = nearest(5);
  options.target_recall = 0.95;
  options.encoder = "a \"b\"";
  const auto promised = created->search(first, options), expected_promise = local->search(first, options);
  same_hits(promised, expected_promise);
  REQUIRE(promised.certification);
  CHECK(promised.certification->certified == expected_promise.certification->certified);  // few rows: an exact scan
  CHECK(promised.certification->recall == expected_promise.certification->recall);
  CHECK(promised.certification->exit_stage == expected_promise.certification->exit_stage);
  CHECK(promised.certification->note == expected_promise.certification->note);
  index::LookupOptions lookup_options;
  lookup_options.search = nearest(50);
  lookup_options.temperature = 2;
  lookup_options.top = 3;
  const auto predicted = lookup(*created, queries, 3, lookup_options);
  const auto wanted = index::lookup(*local, queries, 3, lookup_options);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(predicted[i].neighbours == wanted[i].neighbours);
    REQUIRE(predicted[i].tokens.size() == wanted[i].tokens.size());
    for (std::size_t j = 0; j < wanted[i].tokens.size(); ++j) {
      CHECK(predicted[i].tokens[j].token == wanted[i].tokens[j].token);
      CHECK(predicted[i].tokens[j].probability == Approx(wanted[i].tokens[j].probability));
    }
  }
}

TEST_CASE("points are read, changed and erased as in the embedded library") {
  Remote remote;
  const auto words = remote.database->create_collection("words", sized(4));
  const std::vector<float> vector = {0.1f, -2, 3e-5f, 4};
  const auto uuid = PointId::uuid("550e8400-e29b-41d4-a716-446655440000");
  const PointId large = PointId::number(18446744073709551615ull);
  words->upsert(std::vector<Point>{{large, vector, R"({"a":[1,2]})", 7}, {uuid, vector, "", std::nullopt}});
  const auto record = words->get(large, true, true);
  REQUIRE(record);
  CHECK(record->vector == vector);
  CHECK(record->value == 7);
  CHECK(record->payload.find("\"a\":[1,2]") != std::string::npos);
  CHECK_FALSE(words->get(PointId::number(1), true, true));
  CHECK(words->get(uuid, false, true)->vector.empty());
  const auto page = words->scroll(std::nullopt, 10, false, false);
  REQUIRE(page.size() == 2);
  CHECK(page[0].id == large);
  CHECK(words->scroll(uuid, 10, false, false).size() == 1);
  const std::vector<PointId> both = {large, uuid};
  words->set_payload(both, R"({"b":"x"})");
  CHECK(words->get(large, false, true)->payload.find("\"b\":\"x\"") != std::string::npos);
  words->overwrite_payload(both, R"({"token":9})");
  CHECK(words->get(uuid, false, true)->value == 9);
  for (const std::string_view no_payload : {R"({"a":1},"points":[1]})", R"({"a":NaN})", "[1]", ""}) {
    CHECK(failure([&] { words->set_payload(both, no_payload); }).first == ErrorCode::invalid_argument);
    CHECK(failure([&] { words->overwrite_payload(both, no_payload); }).first == ErrorCode::invalid_argument);
  }
  words->clear_payload(both);
  CHECK(words->get(uuid, false, true)->payload.empty());
  words->erase(std::vector{large, PointId::number(5)});
  CHECK(words->count() == 1);
  CHECK(words->info().points == 1);
  CHECK(remote.database->collection_names() == std::vector<std::string>{"words"});
  CHECK(remote.database->contains("words"));
  CHECK(remote.database->delete_collection("words"));
  CHECK_FALSE(remote.database->delete_collection("words"));
}

TEST_CASE("failures have the codes of the embedded library") {
  Remote remote;
  const auto made = remote.database->create_collection("c", sized(2));
  CHECK(failure([&] { remote.database->create_collection("c", sized(2)); }).first == ErrorCode::already_exists);
  CHECK(failure([&] { remote.database->collection("none"); }).first == ErrorCode::not_found);
  const auto wrong = failure([&] { made->search(std::vector<float>{1, 2, 3}, {}); });
  CHECK(wrong.first == ErrorCode::invalid_argument);
  CHECK(wrong.second.starts_with("Vector dimension error: expected dim: 2, got 3"));
  index::SearchOptions unsendable;
  unsendable.policy = index::SearchPolicy{100, 0, 30, 20, {}};
  CHECK(failure([&] { made->search(std::vector<float>{1, 2}, unsendable); }).first == ErrorCode::invalid_argument);
  CHECK(failure([&] { made->search(std::vector<float>{1, NAN}, {}); }).first == ErrorCode::invalid_argument);
  Remote locked({.api_key = "wrong"}, {"right", "", {}});
  CHECK(failure([&] { locked.database->collection_names(); }).first == ErrorCode::permission_denied);
  Remote open({.api_key = "right"}, {"right", "", {}});
  CHECK(open.database->collection_names().empty());
}

TEST_CASE("a connection that the server has closed meanwhile is not noticed") {
  Remote remote({.retries = 0});
  remote.fixture.server->stop();
  ServerFixture fixture;
  fixture.config.connection.idle_timeout = 20ms;
  const auto port = fixture.start();
  const auto database = RemoteDatabase::open({.url = "http://127.0.0.1:" + std::to_string(port), .retries = 2});
  for (int i = 0; i < 3; ++i) {
    CHECK(database->collection_names().empty());
    server::testing::RawClient silent(port);
    CHECK(silent.closed());  // so long that the client's connection is closed as well
  }
}

TEST_CASE("a server that is not there or stays silent is unavailable, in time") {
  tests::TemporaryDirectory unused;
  const auto gone = RemoteDatabase::open({.url = "http://127.0.0.1:1", .retries = 1});
  const auto refused = failure([&] { gone->collection_names(); });
  CHECK(refused.first == ErrorCode::unavailable);
  CHECK(refused.second.starts_with("cannot connect to 127.0.0.1:1: "));
  // A listening socket that nobody accepts from.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::listen(listener, 8) == 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const auto silent = RemoteDatabase::open(
      {.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)), .timeout = 50ms, .retries = 1});
  const auto late = failure([&] { silent->collection_names(); });
  CHECK(late.first == ErrorCode::unavailable);
  CHECK(late.second.starts_with("no answer from 127.0.0.1:"));
  ::close(listener);
}

TEST_CASE("a busy server is asked again, but not for what must not be done twice") {
  // Answers 503 until it has been asked three times.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::listen(listener, 8) == 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::atomic<int> asked{0};
  std::thread server([&] {
    for (int client; (client = ::accept(listener, nullptr, nullptr)) >= 0; ::close(client)) {
      char request[4096];
      if (::recv(client, request, sizeof request, 0) <= 0) continue;
      const bool busy = ++asked < 3;
      const std::string body = busy ? R"({"status":{"error":"busy"}})" : R"({"result":{"collections":[{"name":"c"}]}})";
      const std::string answer = std::string("HTTP/1.1 ") + (busy ? "503 Service Unavailable" : "200 OK") +
                                 "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
                                 "\r\n\r\n" + body;
      ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  });
  const auto database =
      RemoteDatabase::open({.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)), .retries = 2});
  CHECK(database->collection_names() == std::vector<std::string>{"c"});
  CHECK(asked == 3);
  asked = 0;
  CHECK(failure([&] { database->delete_collection("c"); }).first == ErrorCode::unavailable);
  CHECK(asked == 1);
  ::shutdown(listener, SHUT_RDWR);
  server.join();
  ::close(listener);
}

TEST_CASE("many threads share one database") {
  Remote remote;
  const auto made = remote.database->create_collection("c", sized(8));
  const auto rows = random_rows(50, 8);
  made->upsert(points_of(rows, 8));
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < 50; i += 4)
        right += made->search(std::span(rows).subspan(i * 8, 8), nearest(1)).hits.at(0).id == PointId::number(i);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 50);
}

TEST_CASE("URLs are taken apart, and refused with what is wrong") {
  const Url url = parse_url("https://[::1]:8443/a/b/");
  CHECK(url.https);
  CHECK(url.host == "::1");
  CHECK(url.port == "8443");
  CHECK(url.prefix == "/a/b");
  CHECK(url.authority() == "[::1]:8443");
  CHECK(parse_url("http://example").port == "6333");
  for (const char* bad : {"", "example:6333", "ftp://a", "http://", "http://:80", "http://a:0", "http://a:99999",
                          "http://a:x", "http://u:p@a", "http://a b", "http://[::1", "http://a/?x"}) {
    CAPTURE(bad);
    CHECK(failure([&] { parse_url(bad); }).first == ErrorCode::invalid_argument);
  }
  CHECK(percent_encode("a b/c%\xc3\xa9.-_~") == "a%20b%2Fc%25%C3%A9.-_~");
}

}  // namespace nestor::client
