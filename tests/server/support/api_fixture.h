#pragma once
// The whole interface over an empty database, called without sockets.

#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "server/api.h"
#include "tests/support/temporary_directory.h"

namespace nestor::server::testing {

using nlohmann::json;

struct Reply {
  int status = 0;
  json body;  // discarded when the answer is not JSON
  Response raw;

  const json& result() const { return body.at("result"); }
  std::string error() const { return body.at("status").at("error").get<std::string>(); }
};

// Without builds in the background: what a test sees depends on the test alone.
inline std::unique_ptr<storage::Database> open_database(const std::filesystem::path& directory) {
  storage::DatabaseOptions options;
  options.background_builds = false;
  return storage::Database::open(directory, options);
}

// For tests/server/openapi_test.py, which names the file: one line of JSON for each answer.
inline void record_answer(const Api& api, std::string_view method, std::string_view target, const Response& answer) {
  const char* const file = std::getenv("NESTOR_RECORD_ANSWERS");
  if (!file) return;
  const RouteMatch match = api.match(method, target);
  const json line = {{"method", method},
                     {"target", target},
                     {"route", match.route ? match.route->pattern : ""},
                     {"status", answer.status},
                     {"type", answer.content_type},
                     {"headers", answer.headers},
                     {"body", answer.body}};
  std::ofstream(file, std::ios::app) << line.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
}

class ApiFixture {
 public:
  explicit ApiFixture(RequestLimits limits = {}) : database(open_database(directory.path())), api(*database, limits) {}

  Reply call(std::string_view method, std::string_view target, const std::string& body = "",
             std::vector<std::pair<std::string_view, std::string_view>> headers = {}) {
    Reply reply;
    reply.raw = api.handle({method, target, body, std::move(headers)});
    reply.status = reply.raw.status;
    reply.body = json::parse(reply.raw.body, nullptr, false);
    record_answer(api, method, target, reply.raw);
    return reply;
  }
  Reply get(std::string_view target) { return call("GET", target); }
  Reply put(std::string_view target, const json& body) { return call("PUT", target, body.dump()); }
  Reply post(std::string_view target, const json& body) { return call("POST", target, body.dump()); }

  // Until everything that was answered by 202 has been done.
  void finish_errands() { api.finish_errands(); }

  // A collection `c` of `dim` coordinates.
  Reply create(int dim, const std::string& distance = "Euclid", const json& more = json::object()) {
    json vectors = {{"size", dim}, {"distance", distance}};
    vectors.update(more);
    return put("/collections/c", {{"vectors", vectors}});
  }
  // Points 1..count on a line: point i is (i, 0, 0, ...), its token i % 3.
  Reply fill_line(int count, int dim) {
    json points = json::array();
    for (int i = 1; i <= count; ++i) {
      std::vector<float> vector(static_cast<std::size_t>(dim), 0.0f);
      vector[0] = static_cast<float>(i);
      points.push_back({{"id", i}, {"vector", vector}, {"payload", {{"token", i % 3}, {"name", std::to_string(i)}}}});
    }
    return put("/collections/c/points?wait=true", {{"points", points}});
  }

  tests::TemporaryDirectory directory;
  std::unique_ptr<storage::Database> database;
  Api api;
};

// The ids of a list of points, in order.
inline std::vector<std::uint64_t> ids_of(const json& points) {
  std::vector<std::uint64_t> ids;
  for (const json& point : points) ids.push_back(point.at("id").get<std::uint64_t>());
  return ids;
}

}  // namespace nestor::server::testing
