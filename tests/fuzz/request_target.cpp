// What a stranger can send: bytes of a connection, cut anywhere, through the reader of requests, the router and the
// handlers of a small database. Built with clang's libFuzzer by the preset `fuzz`; with replay_main.cpp, by any
// compiler, it replays its corpus in ctest.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "server/api.h"
#include "server/collection_config.h"
#include "server/request_reader.h"
#include "tests/support/temporary_directory.h"

namespace nestor::server {
namespace {

constexpr std::size_t kDim = 4;

ConnectionLimits small_connection_limits() {
  ConnectionLimits limits;
  limits.body_bytes = 4096;
  limits.header_bytes = 2048;
  limits.target_bytes = 256;
  return limits;
}

RequestLimits small_request_limits() {
  RequestLimits limits;
  limits.json_depth = 16;
  limits.points = 64;
  limits.searches = 8;
  limits.filter_conditions = 32;
  limits.gzip_bytes = 200;
  return limits;
}

// Lives as long as the process.
struct World {
  World() : database(open()), api(*database, small_request_limits(), {{"key", "reader", {"https://a"}}, {}, {}}) {
    ensure_collection();
  }

  std::unique_ptr<storage::Database> open() {
    storage::DatabaseOptions options;
    options.background_builds = false;
    return storage::Database::open(directory.path(), options);
  }

  void ensure_collection() {
    if (database->contains("c")) return;
    index::CollectionOptions options;
    options.dim = kDim;
    options.metric = index::Metric::l2;
    options.widths = {2, 4};
    const auto collection = database->create_collection("c", options, R"({"vector_name":""})");
    const float rows[2][kDim] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    collection->upsert(std::vector<index::Point>{{index::PointId::number(1), rows[0], R"({"a":1,"token":3})", 3},
                                                 {index::PointId::number(2), rows[1], R"({"b":["x"]})", {}}});
  }

  tests::TemporaryDirectory directory;
  std::unique_ptr<storage::Database> database;
  Api api;
};

World& world() {
  static World instance;
  return instance;
}

// The rules that no answer may break.
void check(const Response& response) {
  if (response.status >= 500 && response.status != 501 && response.status != 503) std::abort();
  for (const auto& [name, value] : response.headers)
    if (name.find_first_of("\r\n") != std::string::npos || value.find_first_of("\r\n") != std::string::npos)
      std::abort();
}

void answer(const Request& request) {
  World& here = world();
  const RouteMatch match = here.api.match(request.method, request.target);
  if (const auto stopped = here.api.admit(match, request)) check(*stopped);
  // Whatever the key said. Making and deleting collections is work for the disk; reading what was asked is not.
  if (match.route && match.route->lane == Lane::write && match.route->pattern == "/collections/{name}") {
    try {
      parse_creation(request.body, small_request_limits());
    } catch (const HttpError&) {
    } catch (const index::Error&) {
    }
    return;
  }
  if (match.lane() == Lane::short_read)
    if (const auto response = here.api.run_short(match, request)) return check(*response);
  check(here.api.run(match, request));
}

}  // namespace
}  // namespace nestor::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nestor::server;
  if (size < 1) return 0;
  static const ConnectionLimits limits = small_connection_limits();
  const std::size_t step = data[0] == 0 ? size : data[0];  // how the bytes are cut
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestReader reader(limits);
  while (!text.empty()) {
    const auto room = reader.prepare();
    const std::size_t count = std::min({step, text.size(), room.size()});
    if (count == 0) return 0;
    std::memcpy(room.data(), text.data(), count);
    reader.commit(count);
    text.remove_prefix(count);
    for (bool more = true; more;) {
      switch (reader.advance()) {
        case RequestReader::Progress::more: more = false; break;
        case RequestReader::Progress::head: break;
        case RequestReader::Progress::refused: return 0;
        case RequestReader::Progress::complete: {
          Request request;
          reader.read_head(request);
          request.body = reader.body();
          answer(request);
          reader.next();
          more = reader.buffered() > 0;
        }
      }
    }
  }
  return 0;
}
