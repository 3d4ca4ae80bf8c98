#include "server/access_log.h"

#include "server/json_writer.h"

namespace nestor::server {
namespace {

constexpr std::size_t kLongest = 2048;  // of a part that a stranger chose

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_string(out, value.substr(0, kLongest));
}

void append_count(std::string& out, std::string_view name, std::uint64_t value) {
  out += name;
  append_unsigned(out, value);
}

std::string json_line(const AccessEntry& entry, std::uint64_t microseconds) {
  std::string out = "\"peer\":";
  append_string(out, entry.peer);
  append_field(out, "method", entry.method);
  append_field(out, "target", entry.target);
  append_field(out, "route", entry.route);
  append_count(out, ",\"status\":", static_cast<std::uint64_t>(entry.status));
  append_count(out, ",\"request_bytes\":", entry.request_bytes);
  append_count(out, ",\"response_bytes\":", entry.response_bytes);
  append_count(out, ",\"microseconds\":", microseconds);
  append_field(out, "request_id", entry.id);
  append_field(out, "user_agent", entry.user_agent);
  return out;
}

std::string text_line(const AccessEntry& entry, std::uint64_t microseconds) {
  std::string out(entry.peer);
  out += ' ';
  append_string(out, std::string(entry.method) + " " + std::string(entry.target.substr(0, kLongest)));
  append_count(out, " ", static_cast<std::uint64_t>(entry.status));
  append_count(out, " in=", entry.request_bytes);
  append_count(out, " out=", entry.response_bytes);
  append_count(out, " us=", microseconds);
  out += " id=";
  out += entry.id;
  out += " agent=";
  append_string(out, entry.user_agent.substr(0, kLongest));
  return out;
}

}  // namespace

std::string access_line(const AccessEntry& entry, LogFormat format) {
  const auto microseconds = static_cast<std::uint64_t>(entry.seconds * 1e6);
  return format == LogFormat::json ? json_line(entry, microseconds) : text_line(entry, microseconds);
}

}  // namespace nestor::server
