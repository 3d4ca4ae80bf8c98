#include "server/multipart.h"

#include <algorithm>
#include <string>

namespace nestor::server {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// From `begin` up to the first of `stops`, or the end.
std::string_view until(std::string_view text, std::string_view stops) {
  return text.substr(0, std::min(text.find_first_of(stops), text.size()));
}

// The value behind `key=`, with or without quotes.
std::optional<std::string_view> parameter(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const bool starts_a_word = at > 0 && (text[at - 1] == ' ' || text[at - 1] == ';');
    std::string_view rest = text.substr(at + key.size());
    if (!starts_a_word || !rest.starts_with('=')) continue;
    rest.remove_prefix(1);
    if (!rest.starts_with('"')) return until(rest, "; \r\n");
    return until(rest.substr(1), "\"");
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> form_part(std::string_view content_type, std::string_view body, std::string_view name) {
  if (!content_type.starts_with("multipart/form-data")) return std::nullopt;
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty()) return std::nullopt;
  const std::string opening = "--" + std::string(*boundary);
  const std::string next = std::string(kLineEnd) + opening;
  if (!body.starts_with(opening)) return std::nullopt;
  body.remove_prefix(opening.size());
  while (body.starts_with(kLineEnd)) {
    const std::size_t head = body.find("\r\n\r\n");
    if (head == std::string_view::npos) return std::nullopt;
    const std::size_t end = body.find(next, head + 2);
    if (end == std::string_view::npos) return std::nullopt;
    const std::size_t first = head + 4;
    if (parameter(body.substr(0, head), "name") == name) return body.substr(first, end < first ? 0 : end - first);
    body.remove_prefix(end + next.size());
  }
  return std::nullopt;
}

}  // namespace nestor::server
