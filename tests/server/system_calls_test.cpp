// What a request costs in system calls, counted where the server makes them: the functions below take the place of the
// C library's in this program.
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <charconv>
#include <chrono>

#include "tests/server/support/server_fixture.h"
#include "tests/support/catch.h"

namespace {

std::atomic<int> receives{0}, sends{0}, waits{0};
thread_local bool is_client = false;  // the test's own thread

void count(std::atomic<int>& calls) {
  if (!is_client) ++calls;
}

}  // namespace

extern "C" {

ssize_t recv(int socket, void* bytes, size_t size, int flags) {
  count(receives);
  return ::syscall(SYS_recvfrom, socket, bytes, size, flags, nullptr, nullptr);
}
ssize_t recvmsg(int socket, msghdr* message, int flags) {
  count(receives);
  return ::syscall(SYS_recvmsg, socket, message, flags);
}
ssize_t send(int socket, const void* bytes, size_t size, int flags) {
  count(sends);
  return ::syscall(SYS_sendto, socket, bytes, size, flags, nullptr, 0);
}
ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  count(sends);
  return ::syscall(SYS_sendmsg, socket, message, flags);
}
int epoll_wait(int set, epoll_event* events, int most, int timeout) {
  count(waits);
  return static_cast<int>(::syscall(SYS_epoll_pwait, set, events, most, timeout, nullptr, 0));
}

}  // extern "C"

namespace nestor::server::testing {
namespace {

constexpr int kDim = 768;

// As JavaScript prints the float32 of a query: 16 KB for 768 of them.
std::string query_text(float first) {
  std::string out = R"({"limit":10,"query":[)";
  for (int i = 0; i < kDim; ++i) {
    char text[32];
    const double value = (first + 0.0123456f * static_cast<float>(i % 97)) * 0.731f;
    out.append(i ? "," : "")
        .append(text, std::to_chars(text, text + sizeof text, static_cast<double>(static_cast<float>(value))).ptr);
  }
  return out + "]}";
}

}  // namespace

TEST_CASE("a query of 16 KB is one recv, one send and at most two epoll_wait") {
  is_client = true;
  ServerFixture fixture;
  RawClient client(fixture.start());
  client.request("PUT", "/collections/c", R"({"vectors":{"size":768,"distance":"Cosine"}})");
  REQUIRE(client.reply()->status == 200);
  std::vector<float> row(kDim, 0.5f);
  fixture.database->collection("c")->upsert(std::vector<index::Point>{{index::PointId::number(1), row, "", {}}});

  const auto ask = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      client.request("POST", "/collections/c/points/query", query_text(static_cast<float>(i)));
      const auto reply = client.reply();
      REQUIRE(reply);
      REQUIRE(reply->body.find("\"id\":1,") != std::string::npos);
    }
  };
  CHECK(query_text(1).size() > 12'000);
  CHECK(query_text(1).size() < 16'384);
  ask(3);
  receives = sends = waits = 0;
  const auto started = std::chrono::steady_clock::now();
  constexpr int kRequests = 40;
  ask(kRequests);
  const int received = receives, sent = sends, waited = waits;
  // The sweep for deadlines wakes the loop once a second, whatever the requests do.
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started).count();
  CHECK(received == kRequests);
  CHECK(sent == kRequests);
  CHECK(waited <= 2 * kRequests + 2 * static_cast<int>(seconds + 1));
  is_client = false;
}

}  // namespace nestor::server::testing
