#include "server/router.h"

#include <algorithm>
#include <charconv>

namespace nestor::server {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_parameter(const std::string& segment) { return segment.starts_with('{'); }

// "/a//b/" -> "a", "b": slashes are merged and trimmed.
std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  segments.reserve(8);
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) segments.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return segments;
}

// Few requests differ in more than the last segments: compared from the end, most patterns fail at once.
bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return std::equal(pattern.rbegin(), pattern.rend(), path.rbegin(), path.rend(),
                    [](const std::string& a, const std::string& b) { return is_parameter(a) || a == b; });
}

// True when `a` has a literal at the first segment where only one of the two has.
bool more_specific(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (is_parameter(a[i]) != is_parameter(b[i])) return is_parameter(b[i]);
  return false;
}

// Proxies send "http://host/path", which means the path (RFC 9112, section 3.2.2).
std::string_view without_origin(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t end = target.find_first_of("/?", scheme.size());
    return end == std::string_view::npos || target[end] == '?' ? std::string_view("/") : target.substr(end);
  }
  return target;
}

std::vector<std::string> decode_path(std::string_view path, std::optional<HttpError>& error) {
  std::vector<std::string> segments;
  segments.reserve(8);
  if (!path.starts_with('/')) {
    error = HttpError(
        400, "Bad request: the target \"" + std::string(path.substr(0, 200)) + "\" is not a path that starts with /");
    return segments;
  }
  for (const std::string_view segment : split_path(path)) {
    auto decoded = percent_decode(segment, false);
    if (!decoded) {
      error = HttpError(400, "Bad request: bad percent-encoding in the path");
      return segments;
    }
    segments.push_back(std::move(*decoded));
  }
  return segments;
}

// allowed: the methods of the patterns that fit the path.
HttpError no_route(std::string_view method, std::string_view path, std::vector<std::string> allowed) {
  const std::string shown = std::string(method.substr(0, 32)) + " " + std::string(path.substr(0, 200));
  if (allowed.empty()) return HttpError(404, "Not found: there is no " + shown);
  std::sort(allowed.begin(), allowed.end());
  allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  std::string list;
  for (const std::string& name : allowed) list += (list.empty() ? "" : ", ") + name;
  return HttpError(405, "Method not allowed: " + shown + ", the path takes " + list).with_header("Allow", list);
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool form) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += form && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query_string(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(equals < part.size() ? part.substr(equals + 1) : std::string_view{}, true);
    if (!name || !value)
      throw HttpError(400,
                      "Deserialize error in query parameters: bad percent-encoding in `" + std::string(part) + "`");
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

std::optional<std::string> Call::query_value(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [key, value] : query)
    if (key == name) found = value;
  return found;
}

bool Call::query_flag(std::string_view name, bool by_default) const {
  const auto value = query_value(name);
  if (!value) return by_default;
  if (*value == "true") return true;
  if (*value == "false") return false;
  throw HttpError(400, "Deserialize error in query parameters: `" + std::string(name) + "` is \"" + *value +
                           "\", expected `true` or `false`");
}

std::optional<std::uint64_t> Call::timeout() const {
  const auto value = query_value("timeout");
  if (!value) return std::nullopt;
  std::uint64_t seconds = 0;
  const char* const last = value->data() + value->size();
  const auto [end, code] = std::from_chars(value->data(), last, seconds);
  if (code != std::errc() || end != last)
    throw HttpError(
        400, "Deserialize error in query parameters: `timeout` is \"" + *value + "\", expected a number of seconds");
  if (seconds == 0)
    throw HttpError(422, "Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]");
  return seconds;
}

void Router::add(Route route) {
  std::vector<std::string> segments;
  for (const std::string_view segment : split_path(route.pattern)) segments.emplace_back(segment);
  entries_.push_back({std::move(route), std::move(segments)});
}

std::vector<const Route*> Router::routes() const {
  std::vector<const Route*> out;
  for (const Entry& entry : entries_) out.push_back(&entry.route);
  return out;
}

RouteMatch Router::match(std::string_view method, std::string_view target) const {
  RouteMatch match;
  target = without_origin(target);
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, question);
  match.query = question < target.size() ? target.substr(question + 1) : std::string_view{};
  auto segments = decode_path(path, match.error);
  if (match.error) return match;

  const std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    if (entry.segments.size() != segments.size() || entry.route.method != wanted) continue;
    if (fits(entry.segments, segments) && (!best || more_specific(entry.segments, best->segments))) best = &entry;
  }
  if (!best) {
    std::vector<std::string> allowed;
    for (const Entry& entry : entries_)
      if (fits(entry.segments, segments)) allowed.push_back(entry.route.method);
    match.error = no_route(method, path, std::move(allowed));
    return match;
  }
  match.route = &best->route;
  for (std::size_t i = 0; i < segments.size(); ++i)
    if (is_parameter(best->segments[i])) match.parameters.push_back(std::move(segments[i]));
  return match;
}

}  // namespace nestor::server
