#pragma once
// One line for each answered request.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace nestor::server {

// Views are valid during the call only.
struct AccessEntry {
  std::string_view peer;    // address without port
  std::string_view method;  // empty: what came was no request
  std::string_view target;
  std::string_view route;  // the pattern, empty when none fits
  std::string_view user_agent;
  std::string_view id;
  int status = 0;
  std::size_t request_bytes = 0, response_bytes = 0;  // of the bodies
  double seconds = 0;                                 // first byte of the request to last byte of the answer
};

// Called on a connection's thread; must be quick and must not throw.
using AccessSink = std::function<void(const AccessEntry&)>;

enum class LogFormat { text, json };

// Without a time, which the log adds, and without a line end. What strangers send is escaped in both formats: a line
// stays a line. JSON: the members of an object, without its braces.
//   127.0.0.1 "POST /collections/c/points/query" 200 in=4136 out=812 us=134 id=5f2a.1 agent="curl/7.88"
//   "peer":"127.0.0.1","method":"POST","target":"/...","route":"/...","status":200,...
std::string access_line(const AccessEntry& entry, LogFormat format);

}  // namespace nestor::server
